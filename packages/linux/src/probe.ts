import { type ByteString, textOf } from "@bootc-store/core";
import { closeQuietly, haveOpenat2, tryOpenat } from "./calls/open.ts";
import { measureVerity } from "./calls/verity.ts";
import { tryFsopen } from "./calls/mount.ts";
import { statFd } from "./calls/stat.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH } from "./constants.ts";
import { Dir } from "./dir.ts";
import { ENOSYS } from "./errno.ts";
import { nativeAvailable } from "./ffi.ts";
import { reflinksSupported } from "./reflink-probe.ts";

/** One thing that a machine or a directory can or cannot do. */
export interface Capability {
  readonly name: string;
  /** What it is, in words. */
  readonly title: string;
  /** `undefined`: could not be found out, see `detail`. */
  readonly available: boolean | undefined;
  /** What was found. */
  readonly detail?: string;
  /** What is lost where it is missing. */
  readonly cost: string;
}

export interface Probe {
  readonly platform: string;
  readonly arch: string;
  /** Of the kernel, as `uname -r`. */
  readonly release: string | undefined;
  readonly node: string;
  readonly capabilities: readonly Capability[];
}

const NATIVE_COST = "nothing on disk can be opened, so only what works on bytes in hand works";

/**
 * What this machine can do, and with `dir` what its file system can. Cheap: some twenty calls, and nothing is left
 * anywhere. Works on every platform.
 */
export function probe(options: { readonly dir?: Dir } = {}): Probe {
  const base = { platform: process.platform, arch: process.arch, node: process.version };
  const native = nativeAvailable();
  const calls: Capability = {
    name: "native-calls",
    title: "system calls that Node lacks",
    available: native.available,
    ...(native.available ? {} : { detail: native.reason }),
    cost: NATIVE_COST,
  };
  if (!native.available) return { ...base, release: undefined, capabilities: [calls] };
  const proc = readProc();
  return {
    ...base,
    release: proc.release,
    capabilities: [
      calls,
      ...kernelCapabilities(proc),
      ...(options.dir === undefined ? [] : dirCapabilities(options.dir)),
    ],
  };
}

interface Proc {
  readonly mounted: boolean;
  readonly release: string | undefined;
  /** Effective capabilities, by bit number. */
  readonly effective: bigint | undefined;
  readonly fileSystems: ReadonlySet<string>;
}

function readProc(): Proc {
  const fd = tryOpenat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
  if (fd < 0) return { mounted: false, release: undefined, effective: undefined, fileSystems: new Set() };
  using dir = Dir.adopt(fd, "/proc");
  const text = (path: string): string | undefined => {
    const bytes = dir.readFileOptional(path as ByteString, { resolution: "beneath" });
    return bytes === undefined ? undefined : textOf(bytes.toString("latin1") as ByteString);
  };
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(text("self/status") ?? "")?.[1];
  return {
    mounted: capabilities !== undefined,
    release: text("sys/kernel/osrelease")?.trim(),
    effective: capabilities === undefined ? undefined : BigInt(`0x${capabilities}`),
    fileSystems: new Set(
      (text("filesystems") ?? "").split("\n").map((line) => line.slice(line.indexOf("\t") + 1)),
    ),
  };
}

const CAP_CHOWN = 0n;
const CAP_SYS_ADMIN = 21n;
const CAP_MKNOD = 27n;

function kernelCapabilities(proc: Proc): Capability[] {
  const may = (bit: bigint): boolean | undefined =>
    proc.effective === undefined ? undefined : ((proc.effective >> bit) & 1n) === 1n;
  const fileSystem = (name: string, cost: string): Capability => ({
    name: `fs-${name}`,
    title: `the kernel's ${name}`,
    available: proc.mounted ? proc.fileSystems.has(name) : undefined,
    detail: proc.fileSystems.has(name)
      ? "there"
      : "not there now; it may be a module that is loaded when needed",
    cost,
  });
  return [
    {
      name: "proc",
      title: "/proc",
      available: proc.mounted,
      cost: "extended attributes by name, copies of unnamed files and reopening files do not work",
    },
    {
      name: "openat2",
      title: "paths resolved by the kernel (openat2)",
      available: haveOpenat2(),
      cost: "paths are resolved component by component: as safe, but slower",
    },
    {
      name: "mount-ids",
      title: "mounts told apart (statx)",
      available: rootMountId() !== undefined,
      cost: "walks cannot stay on one mount",
    },
    {
      name: "mount-api",
      title: "the new mount API",
      available: haveMountApi(),
      cost: "images are mounted by mount(2), which needs a place for each",
    },
    {
      name: "may-chown",
      title: "giving files away (CAP_CHOWN)",
      available: may(CAP_CHOWN),
      cost: "files that are stored belong to the user that runs this",
    },
    {
      name: "may-mknod",
      title: "making device nodes (CAP_MKNOD)",
      available: may(CAP_MKNOD),
      cost: "device nodes and whiteouts cannot be made",
    },
    {
      name: "may-mount",
      title: "mounting, trusted attributes (CAP_SYS_ADMIN)",
      available: may(CAP_SYS_ADMIN),
      cost: "nothing can be mounted, and overlay's own attributes can be neither read nor written",
    },
    fileSystem("overlay", "container layers and composefs images cannot be mounted"),
    fileSystem("erofs", "composefs images cannot be mounted; they can still be read and written"),
  ];
}

/** What a directory's file system can do; asked by trying, with files that never have a name. */
function dirCapabilities(dir: Dir): Capability[] {
  return [
    attempt(
      "reflinks",
      "sharing blocks between files",
      "content is copied or hard-linked, and takes its space again",
      () => ({
        available: reflinksSupported(dir),
      }),
    ),
    attempt(
      "verity",
      "fs-verity",
      "the kernel does not check what it reads; digests are computed here instead",
      () => {
        using temporary = dir.tempFile();
        const { state } = measureVerity(temporary.closeForWriting());
        return state === "unsupported"
          ? { available: false }
          : {
              available: true,
              detail: "the kernel knows it; the file system's feature shows when it is enabled",
            };
      },
    ),
    attempt(
      "unnamed-files",
      "unnamed temporary files (O_TMPFILE)",
      "a crash can leave files named .tmp-*",
      () => {
        using temporary = dir.tempFile();
        return { available: temporary.temporaryName === undefined };
      },
    ),
    attempt(
      "user-xattrs",
      "extended attributes of users",
      "bare-user repositories cannot be kept here",
      () => {
        using temporary = dir.tempFile();
        temporary.file.setXattr("user.probe" as ByteString, Uint8Array.of(1));
        return { available: true };
      },
    ),
    attempt("writable", "writing", "only what reads works", () => {
      using _temporary = dir.tempFile();
      return { available: true };
    }),
  ];
}

function attempt(
  name: string,
  title: string,
  cost: string,
  work: () => { readonly available: boolean; readonly detail?: string },
): Capability {
  try {
    return { name, title, cost, ...work() };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === undefined) throw error;
    // Not found is what /proc says to whoever wants to make something in it.
    const refused = [
      "linux/read-only",
      "linux/permission-denied",
      "linux/call-unsupported",
      "linux/not-found",
    ].includes(code);
    return { name, title, cost, available: refused ? false : undefined, detail: message };
  }
}

function rootMountId(): number | undefined {
  const fd = tryOpenat(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  if (fd < 0) return undefined;
  try {
    return statFd(fd).mountId;
  } finally {
    closeQuietly(fd);
  }
}

/** ENOSYS is the only answer that means no; without the right to mount it is EPERM, and for this name ENODEV. */
function haveMountApi(): boolean {
  const fd = tryFsopen("no such file system");
  if (fd >= 0) closeQuietly(fd);
  return fd !== -ENOSYS;
}
