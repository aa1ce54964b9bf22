// Opening the physical root and /run of a booted host, and telling whether the root can be written to.

import { type ByteString, byteString, StoreError, utf8 } from "@bootc-store/core";
import { blockDeviceReadOnly, type Dir, parseMountInfo, remount } from "@bootc-store/linux";
import { SYSROOT } from "@bootc-store/paths";

import { storageErrors } from "./errors.ts";

/** The three questions behind {@link sysrootIsReadOnly}, so that each answer can be tried. */
export interface ReadOnlyQuestions {
  /** Whether the file system of the directory is mounted read-only. */
  fileSystemReadOnly(dir: Dir): boolean;
  /** Whether the block device below it is read-only; `undefined` if there is none or it does not tell. */
  deviceReadOnly(dir: Dir): boolean | undefined;
  /** Remounts it read-write in this mount namespace. Throws if that fails. */
  remountReadWrite(dir: Dir): void;
}

const MOST_MOUNTINFO = 64 << 20;

/** Asks the kernel; mounts and devices are looked up below `host`, the root of the running system. */
export function askLinux(host: Dir): ReadOnlyQuestions {
  return {
    fileSystemReadOnly: (dir) => dir.info().readOnly,
    deviceReadOnly(dir) {
      try {
        const source = mountSource(host, dir);
        if (source?.startsWith("/dev/") !== true) return undefined;
        using device = host.openFile(source, { resolution: "inRoot", type: "any" });
        return blockDeviceReadOnly(device);
      } catch (error) {
        // A device that cannot be asked counts as writable; the remount will tell.
        if (error instanceof StoreError) return undefined;
        throw error;
      }
    },
    remountReadWrite: (dir) => remount(dir, "read-write"),
  };
}

/** What is mounted where the directory is. */
function mountSource(host: Dir, dir: Dir): ByteString | undefined {
  const { mountId } = dir.statSelf();
  const bytes = host.readFile(utf8("proc/self/mountinfo"), { resolution: "inRoot", limit: MOST_MOUNTINFO });
  return parseMountInfo(byteString(bytes)).find((mount) => mount.id === mountId)?.source;
}

/**
 * In this order, as bootc decides: a file system that is mounted read-write is not read-only; one on a read-only
 * device is, without trying; any other is remounted, and a remount that fails is an error, not an answer.
 */
export function sysrootIsReadOnly(sysroot: Dir, ask: ReadOnlyQuestions): boolean {
  if (!ask.fileSystemReadOnly(sysroot)) return false;
  if (ask.deviceReadOnly(sysroot) === true) return true;
  try {
    ask.remountReadWrite(sysroot);
  } catch (error) {
    throw storageErrors.error(
      "remount-failed",
      "/sysroot is mounted read-only and could not be remounted read-write",
      {
        cause: error,
      },
    );
  }
  return false;
}

export interface PhysicalRootAndRun {
  readonly physicalRoot: Dir;
  readonly run: Dir;
  readonly readOnly: boolean;
}

/** Opens `/sysroot` and `/run` of a booted host. The caller has entered a mount namespace of its own before. */
export function getPhysicalRootAndRun(
  host: Dir,
  ask: ReadOnlyQuestions = askLinux(host),
): PhysicalRootAndRun {
  const open = (): Dir => host.openDir(utf8(SYSROOT), { resolution: "inRoot" });
  let readOnly: boolean;
  {
    using before = open();
    readOnly = sysrootIsReadOnly(before, ask);
  }
  // Opened again, since the handle from before the remount still refers to the read-only mount.
  const physicalRoot = open();
  try {
    return { physicalRoot, run: host.openDir(utf8("run"), { resolution: "inRoot" }), readOnly };
  } catch (error) {
    physicalRoot[Symbol.dispose]();
    throw error;
  }
}
