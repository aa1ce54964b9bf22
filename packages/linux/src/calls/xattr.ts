import type { ByteString } from "@bootc-store/core";
import { AT_SYMLINK_NOFOLLOW } from "../constants.ts";
import { ENOSYS, EOVERFLOW, EPERM, ERANGE } from "../errno.ts";
import { addressOf, declareCalls, lastErrno, libc, libcLong, syscall } from "../ffi.ts";
import { nativePath, nativeString, procPath } from "../native-path.ts";

const native = declareCalls<{
  fgetxattr(fd: number, name: Uint8Array, out: Uint8Array, size: number): number;
  flistxattr(fd: number, out: Uint8Array, size: number): number;
  fsetxattr(fd: number, name: Uint8Array, value: Uint8Array, size: number, flags: number): number;
  fremovexattr(fd: number, name: Uint8Array): number;
  lgetxattr(path: Uint8Array, name: Uint8Array, out: Uint8Array, size: number): number;
  llistxattr(path: Uint8Array, out: Uint8Array, size: number): number;
  lsetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number, flags: number): number;
  lremovexattr(path: Uint8Array, name: Uint8Array): number;
  setxattrat(
    dir: number,
    path: Uint8Array,
    at: number,
    name: Uint8Array,
    args: Uint8Array,
    size: number,
  ): number;
  getxattrat(
    dir: number,
    path: Uint8Array,
    at: number,
    name: Uint8Array,
    args: Uint8Array,
    size: number,
  ): number;
  listxattrat(dir: number, path: Uint8Array, at: number, out: Uint8Array, size: number): number;
  removexattrat(dir: number, path: Uint8Array, at: number, name: Uint8Array): number;
}>({
  fgetxattr: libcLong("fgetxattr", "int, const void *, void *, ulong"),
  flistxattr: libcLong("flistxattr", "int, void *, ulong"),
  fsetxattr: libc("fsetxattr", "int, const void *, const void *, ulong, int"),
  fremovexattr: libc("fremovexattr", "int, const void *"),
  lgetxattr: libcLong("lgetxattr", "const void *, const void *, void *, ulong"),
  llistxattr: libcLong("llistxattr", "const void *, void *, ulong"),
  lsetxattr: libc("lsetxattr", "const void *, const void *, const void *, ulong, int"),
  lremovexattr: libc("lremovexattr", "const void *, const void *"),
  setxattrat: syscall(463, "int, const void *, uint, const void *, const void *, ulong"),
  getxattrat: syscall(464, "int, const void *, uint, const void *, void *, ulong"),
  listxattrat: syscall(465, "int, const void *, uint, void *, ulong"),
  removexattrat: syscall(466, "int, const void *, uint, const void *"),
});

/** A name in a directory; of a symbolic link, the link itself. */
export interface NameInDir {
  readonly dir: number;
  readonly name: ByteString;
}

/** What an attribute belongs to: an open file (no O_PATH one), or a name in a directory. */
export type XattrTarget = number | NameInDir;

/** A value is at most 64 KiB (XATTR_SIZE_MAX), and so is a list of names (XATTR_LIST_MAX). */
const MAX = 65_536;
const scratch = Buffer.alloc(MAX);

/** `struct xattr_args`: address of the value u64, its size u32, flags u32. */
const args = Buffer.alloc(16);
let scratchAddress: bigint | undefined;

function argsFor(size: number, flags: number): Buffer {
  scratchAddress ??= addressOf(scratch);
  args.writeBigUInt64LE(scratchAddress, 0);
  args.writeUInt32LE(size, 8);
  args.writeUInt32LE(flags, 12);
  return args;
}

/**
 * The calls that take a directory are of kernel 6.13; before that, and where a filter refuses them, the way is the
 * name below /proc/self/fd, which costs twice as much.
 */
let haveAtCalls = true;

/** Runs `call`; if it says that there is no such call, the older way is taken from then on. */
function atOr(call: () => number, older: () => number): number {
  if (haveAtCalls) {
    const result = call();
    if (result >= 0) return result;
    const errno = lastErrno();
    if (errno !== ENOSYS && errno !== EPERM) return -errno;
    if (errno === ENOSYS) haveAtCalls = false;
    // EPERM may come from a filter or from the file; the older call tells which.
  }
  const result = older();
  return result < 0 ? -lastErrno() : result;
}

/** For tests: takes the older way while the handle lives. */
export function withoutXattrAt(): Disposable {
  const before = haveAtCalls;
  haveAtCalls = false;
  return {
    [Symbol.dispose]() {
      haveAtCalls = before;
    },
  };
}

/** The few names that are asked for again and again need not be encoded each time. */
const encoded = new Map<string, Buffer>();

function nameBytes(name: string): Buffer {
  let bytes = encoded.get(name);
  if (bytes === undefined) {
    bytes = nativeString(name);
    if (encoded.size >= 64) encoded.clear();
    encoded.set(name, bytes);
  }
  return bytes;
}

function pathOf(target: NameInDir): Buffer {
  return nativePath(procPath(target.dir, target.name));
}

/** getxattr. The value in a buffer of its own, or the negated errno (ENODATA: absent). */
export function tryGetXattr(target: XattrTarget, name: string): Buffer | number {
  const key = nameBytes(name);
  let size: number;
  if (typeof target === "number") {
    size = native.fgetxattr(target, key, scratch, MAX);
    if (size < 0) size = -lastErrno();
  } else {
    size = atOr(
      () =>
        native.getxattrat(target.dir, nativePath(target.name), AT_SYMLINK_NOFOLLOW, key, argsFor(MAX, 0), 16),
      () => native.lgetxattr(pathOf(target), key, scratch, MAX),
    );
  }
  return size < 0 ? overlong(size) : Buffer.from(scratch.subarray(0, size));
}

/** listxattr: the names, in the file system's order, or the negated errno. */
export function tryListXattrs(target: XattrTarget): string[] | number {
  let size: number;
  if (typeof target === "number") {
    size = native.flistxattr(target, scratch, MAX);
    if (size < 0) size = -lastErrno();
  } else {
    size = atOr(
      () => native.listxattrat(target.dir, nativePath(target.name), AT_SYMLINK_NOFOLLOW, scratch, MAX),
      () => native.llistxattr(pathOf(target), scratch, MAX),
    );
  }
  if (size < 0) return overlong(size);
  return size === 0 ? [] : scratch.toString("latin1", 0, size - 1).split("\0");
}

/** Whether the attribute must be new (`create`), must exist (`replace`), or either. */
export type XattrMode = "either" | "create" | "replace";

const XATTR_FLAGS = { either: 0, create: 1, replace: 2 } as const;

/** setxattr. Returns 0 or the negated errno. */
export function trySetXattr(target: XattrTarget, name: string, value: Uint8Array, mode: XattrMode): number {
  const key = nameBytes(name);
  const flags = XATTR_FLAGS[mode];
  if (typeof target === "number") {
    return native.fsetxattr(target, key, value, value.length, flags) === 0 ? 0 : -lastErrno();
  }
  const older = (): number => native.lsetxattr(pathOf(target), key, value, value.length, flags);
  // The kernel's own limit refuses what does not fit the buffer.
  if (value.length > MAX) return older() === 0 ? 0 : -lastErrno();
  scratch.set(value, 0);
  return atOr(
    () =>
      native.setxattrat(
        target.dir,
        nativePath(target.name),
        AT_SYMLINK_NOFOLLOW,
        key,
        argsFor(value.length, flags),
        16,
      ),
    older,
  );
}

/** removexattr. Returns 0 or the negated errno. */
export function tryRemoveXattr(target: XattrTarget, name: string): number {
  const key = nameBytes(name);
  if (typeof target === "number") return native.fremovexattr(target, key) === 0 ? 0 : -lastErrno();
  return atOr(
    () => native.removexattrat(target.dir, nativePath(target.name), AT_SYMLINK_NOFOLLOW, key),
    () => native.lremovexattr(pathOf(target), key),
  );
}

/** ERANGE would mean that the kernel broke its own limit; it is not the "numeric range" of other calls. */
function overlong(negated: number): number {
  return negated === -ERANGE ? -EOVERFLOW : negated;
}
