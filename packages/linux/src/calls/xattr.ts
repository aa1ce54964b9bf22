import { EOVERFLOW, ERANGE } from "../errno.ts";
import { declareCalls, lastErrno, libc, libcLong } from "../ffi.ts";
import { nativePath, nativeString } from "../native-path.ts";

const native = declareCalls<{
  lgetxattr(path: Uint8Array, name: Uint8Array, out: Uint8Array, size: number): number;
  fgetxattr(fd: number, name: Uint8Array, out: Uint8Array, size: number): number;
  llistxattr(path: Uint8Array, out: Uint8Array, size: number): number;
  flistxattr(fd: number, out: Uint8Array, size: number): number;
  lsetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number, flags: number): number;
  fsetxattr(fd: number, name: Uint8Array, value: Uint8Array, size: number, flags: number): number;
  lremovexattr(path: Uint8Array, name: Uint8Array): number;
  fremovexattr(fd: number, name: Uint8Array): number;
}>({
  lgetxattr: libcLong("lgetxattr", "const void *, const void *, void *, ulong"),
  fgetxattr: libcLong("fgetxattr", "int, const void *, void *, ulong"),
  llistxattr: libcLong("llistxattr", "const void *, void *, ulong"),
  flistxattr: libcLong("flistxattr", "int, void *, ulong"),
  lsetxattr: libc("lsetxattr", "const void *, const void *, const void *, ulong, int"),
  fsetxattr: libc("fsetxattr", "int, const void *, const void *, ulong, int"),
  lremovexattr: libc("lremovexattr", "const void *, const void *"),
  fremovexattr: libc("fremovexattr", "int, const void *"),
});

/**
 * What an attribute belongs to: an open file, or a path that is not followed if it ends in a symbolic link
 * (usually `/proc/self/fd/N/NAME`; O_PATH descriptors cannot be asked directly).
 */
export type XattrTarget = number | string;

/** A value is at most 64 KiB (XATTR_SIZE_MAX), and so is a list of names (XATTR_LIST_MAX). */
const scratch = Buffer.alloc(65536);

/** getxattr. The value in a buffer of its own, or the negated errno (ENODATA: absent). */
export function tryGetXattr(target: XattrTarget, name: string): Buffer | number {
  const key = nativeString(name);
  const size =
    typeof target === "number"
      ? native.fgetxattr(target, key, scratch, scratch.length)
      : native.lgetxattr(nativePath(target), key, scratch, scratch.length);
  return size < 0 ? -overlong(lastErrno()) : Buffer.from(scratch.subarray(0, size));
}

/** listxattr: the names, in the file system's order, or the negated errno. */
export function tryListXattrs(target: XattrTarget): string[] | number {
  const size =
    typeof target === "number"
      ? native.flistxattr(target, scratch, scratch.length)
      : native.llistxattr(nativePath(target), scratch, scratch.length);
  if (size < 0) return -overlong(lastErrno());
  return size === 0 ? [] : scratch.toString("latin1", 0, size - 1).split("\0");
}

/** Whether the attribute must be new (`create`), must exist (`replace`), or either. */
export type XattrMode = "either" | "create" | "replace";

const XATTR_FLAGS = { either: 0, create: 1, replace: 2 } as const;

/** setxattr. Returns 0 or the negated errno. */
export function trySetXattr(target: XattrTarget, name: string, value: Uint8Array, mode: XattrMode): number {
  const key = nativeString(name);
  const flags = XATTR_FLAGS[mode];
  const result =
    typeof target === "number"
      ? native.fsetxattr(target, key, value, value.length, flags)
      : native.lsetxattr(nativePath(target), key, value, value.length, flags);
  return result === 0 ? 0 : -lastErrno();
}

/** removexattr. Returns 0 or the negated errno. */
export function tryRemoveXattr(target: XattrTarget, name: string): number {
  const key = nativeString(name);
  const result =
    typeof target === "number"
      ? native.fremovexattr(target, key)
      : native.lremovexattr(nativePath(target), key);
  return result === 0 ? 0 : -lastErrno();
}

/** ERANGE would mean that the kernel broke its own limit; it is not the "numeric range" of other calls. */
function overlong(errno: number): number {
  return errno === ERANGE ? EOVERFLOW : errno;
}
