// Mounts by the descriptors of the new mount API. A mount made here belongs to nobody's tree until it is attached, is
// used through its descriptor like any directory, and goes when that is closed; no mount namespace is needed for it.
// Where the kernel lacks the API (before 5.2, or as an emulation for one file system), `mountOn` uses mount(2).

import type { ByteString } from "@bootc-store/core";
import {
  attributeBits,
  CLONE_NEWNS,
  type MountAttribute,
  MS,
  type Propagation,
  tryCloneTree,
  tryFsconfig,
  tryFsconfigDo,
  tryFsmount,
  tryFsopen,
  tryFspick,
  tryMount,
  tryMountSetattr,
  tryMoveMount,
  tryUmount,
  tryUnshare,
} from "./calls/mount.ts";
import { File } from "./file.ts";
import { Dir } from "./dir.ts";
import { ENOSYS } from "./errno.ts";
import { failure } from "./failure.ts";
import { shown } from "./list.ts";
import { checkName } from "./name.ts";
import { procPath } from "./native-path.ts";

export interface MountSpec {
  /** The kernel's name of the file system: `erofs`, `overlay`, `tmpfs`. */
  readonly type: string;
  /** The device, or whatever mountinfo is to show as the source. */
  readonly source?: string;
  /** In order, since some file systems collect repeated keys: text, a flag, or a descriptor. */
  readonly options?: readonly (readonly [key: string, value: string | true | { readonly fd: number }])[];
  readonly attributes?: readonly MountAttribute[];
}

/**
 * Makes a detached mount and gives its top directory. Closing that takes the mount away, if it was not attached.
 * What the kernel logged about a refusal is in the error's context as `log`.
 */
export function createMount(spec: MountSpec): Dir {
  const label = `mount of ${spec.type}`;
  const context = tryFsopen(spec.type);
  if (context < 0) throw failure("fsopen", -context, label);
  using log = File.adopt(context, label);
  const check = (call: string, result: number): number => {
    if (result < 0) throw failure(call, -result, label, { log: kernelLog(log) });
    return result;
  };
  if (spec.source !== undefined) check("fsconfig source", tryFsconfig(context, "source", spec.source));
  for (const [key, value] of spec.options ?? []) {
    check(`fsconfig ${key}`, tryFsconfig(context, key, typeof value === "object" ? value.fd : value));
  }
  check("fsconfig create", tryFsconfigDo(context, "create"));
  return Dir.adopt(check("fsmount", tryFsmount(context, attributeBits(spec.attributes ?? []))), label);
}

/** A detached copy of the mount that a directory is on, seen from that directory; with the mounts below if `recursive`. */
export function cloneMount(dir: Dir, options: { readonly recursive?: boolean } = {}): Dir {
  const fd = tryCloneTree(dir.fd, options.recursive === true);
  if (fd < 0) throw failure("open_tree", -fd, shown(dir.label));
  return Dir.adopt(fd, dir.label);
}

/** Puts a detached mount onto a directory. The handle stays good, and closing it no longer takes the mount away. */
export function attachMount(mount: Dir, onto: Dir): void {
  const result = tryMoveMount(mount.fd, onto.fd);
  if (result < 0) throw failure("move_mount", -result, shown(onto.label));
}

export interface MountChange {
  readonly set?: readonly MountAttribute[];
  readonly clear?: readonly MountAttribute[];
  readonly propagation?: Propagation;
  /** Also for the mounts below. */
  readonly recursive?: boolean;
  /** A user namespace (`/proc/PID/ns/user`), by whose map owners are shown; of a mount that is not attached yet. */
  readonly idMap?: File;
}

/** Changes the mount that a directory is on, not its file system. */
export function changeMount(dir: Dir, change: MountChange): void {
  const result = tryMountSetattr(
    dir.fd,
    {
      set: attributeBits(change.set ?? []),
      clear: attributeBits(change.clear ?? []),
      ...(change.propagation === undefined ? {} : { propagation: change.propagation }),
      ...(change.idMap === undefined ? {} : { idMap: change.idMap.fd }),
    },
    change.recursive === true,
  );
  if (result < 0) throw failure("mount_setattr", -result, shown(dir.label));
}

/**
 * What `mount -o remount,rw` (or `ro`) does: changes both the file system and the mount that a directory is on.
 * The directory's own descriptor keeps the mount's old state on kernels that remember it; open it again.
 */
export function remount(dir: Dir, mode: "read-write" | "read-only"): void {
  const readOnly = mode === "read-only";
  const subject = shown(dir.label);
  const context = tryFspick(dir.fd);
  if (context === -ENOSYS) return remountOld(dir, readOnly);
  if (context < 0) throw failure("fspick", -context, subject);
  using log = File.adopt(context, subject);
  for (const [call, result] of [
    ["fsconfig", tryFsconfig(context, readOnly ? "ro" : "rw", true)],
    ["fsconfig reconfigure", tryFsconfigDo(context, "reconfigure")],
  ] as const) {
    if (result < 0) throw failure(call, -result, subject, { log: kernelLog(log) });
  }
  changeMount(dir, readOnly ? { set: ["readOnly"] } : { clear: ["readOnly"] });
}

function remountOld(dir: Dir, readOnly: boolean): void {
  const flags = MS.remount | (readOnly ? MS.readOnly : 0);
  const result = tryMount("none", procPath(dir.fd), undefined, flags, undefined);
  if (result < 0) throw failure("mount remount", -result, shown(dir.label));
}

/** Makes a mount and puts it onto a name of a directory, by the new API or, where that is missing, by mount(2). */
export function mountOn(parent: Dir, name: ByteString, spec: MountSpec): void {
  checkName(name);
  using target = parent.openDir(name);
  try {
    using mount = createMount(spec);
    attachMount(mount, target);
  } catch (error) {
    if ((error as { context?: { errno?: number } }).context?.errno !== ENOSYS) throw error;
    mountOld(target, spec);
  }
}

/** @internal The fallback of {@link mountOn}, exported for its test. */
export function mountOld(target: Dir, spec: MountSpec): void {
  const data = (spec.options ?? []).map(([key, value]) =>
    value === true
      ? key
      : `${key}=${typeof value === "object" ? procPath(value.fd) : value.replace(/[\\,]/g, "\\$&")}`,
  );
  const flags = (spec.attributes ?? []).reduce((bits, attribute) => bits | MS[attribute], 0);
  const result = tryMount(spec.source ?? "none", procPath(target.fd), spec.type, flags, data.join(","));
  if (result < 0) throw failure("mount", -result, shown(target.label));
}

/** Takes the mount on a name of a directory away. `detach`: now from the tree, and for real when nobody uses it. */
export function unmount(parent: Dir, name: ByteString, options: { readonly detach?: boolean } = {}): void {
  checkName(name);
  const result = tryUmount(procPath(parent.fd, name), options.detach === true);
  if (result < 0) throw failure("umount2", -result, parent.labelOf(name));
}

/**
 * Gives this thread a mount namespace of its own. Threads that run already, Node's pool for file calls among them, keep
 * the old one, so this belongs at the start of a process of its own, before anything else. Directories that were open
 * before lead to the old namespace. Follow it by `changeMount(root, { propagation: "private", recursive: true })`.
 */
export function unshareMounts(): void {
  const result = tryUnshare(CLONE_NEWNS);
  if (result < 0) throw failure("unshare", -result, "mount namespace");
}

/** What the file system said while it was configured: reading the context gives a message a time. */
function kernelLog(context: File): string {
  const messages: string[] = [];
  const buffer = Buffer.alloc(4096);
  for (;;) {
    try {
      const size = context.read(buffer);
      if (size === 0) break;
      messages.push(buffer.toString("latin1", 0, size).trim());
    } catch {
      // ENODATA: no more messages. Whatever else it was, the failure that is being told matters more.
      break;
    }
  }
  return messages.join("; ");
}
