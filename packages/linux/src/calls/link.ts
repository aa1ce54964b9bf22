import type { ByteString } from "@bootc-store/core";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW } from "../constants.ts";
import { EINVAL, ENOENT, ENOSYS, EPERM } from "../errno.ts";
import { declareCalls, lastErrno, libc, libcLong, syscall } from "../ffi.ts";
import { EMPTY_PATH, nativePath, nativePath2, nativeString, procPath } from "../native-path.ts";
import { plainly, plainReadlink } from "../plain.ts";

const native = declareCalls<{
  renameat(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array): number;
  renameat2(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array, flags: number): number;
  linkat(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array, flags: number): number;
  symlinkat(target: Uint8Array, dir: number, name: Uint8Array): number;
  readlinkat(dir: number, name: Uint8Array, out: Uint8Array, size: number): number;
  mknodat(dir: number, name: Uint8Array, mode: number, device: number | bigint): number;
}>({
  renameat: libc("renameat", "int, const void *, int, const void *"),
  renameat2: syscall({ x64: 316, arm64: 276 }, "int, const void *, int, const void *, uint"),
  linkat: libc("linkat", "int, const void *, int, const void *, int"),
  symlinkat: libc("symlinkat", "const void *, int, const void *"),
  readlinkat: libcLong("readlinkat", "int, const void *, void *, ulong"),
  mknodat: libc("mknodat", "int, const void *, uint, ulong"),
});

/**
 * What to do where the new name is taken: `replace` it, refuse (`noreplace`), `exchange` the two, or `replace`
 * and leave a whiteout (character device 0/0) at the old name.
 */
export type RenameMode = "replace" | "noreplace" | "exchange" | "whiteout";

const RENAME_FLAGS = { noreplace: 1, exchange: 2, whiteout: 4 } as const;

/** renameat2(2), or renameat(2) where no flag is needed. Returns 0 or the negated errno. */
export function tryRenameAt(
  fromDir: number,
  from: string,
  toDir: number,
  to: string,
  mode: RenameMode,
): number {
  const a = nativePath(from);
  const b = nativePath2(to);
  const result =
    mode === "replace"
      ? native.renameat(fromDir, a, toDir, b)
      : native.renameat2(fromDir, a, toDir, b, RENAME_FLAGS[mode]);
  return result === 0 ? 0 : -lastErrno();
}

/** linkat(2); a symbolic link is linked itself. Returns 0 or the negated errno. */
export function tryLinkAt(fromDir: number, from: string, toDir: number, to: string): number {
  return native.linkat(fromDir, nativePath(from), toDir, nativePath2(to), 0) === 0 ? 0 : -lastErrno();
}

/**
 * Gives an open file a name, unnamed (O_TMPFILE) ones included. AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH or,
 * from 6.10 on, the credentials that opened it; else the way through /proc is taken. Returns 0 or the negated errno.
 */
export function tryLinkFd(fd: number, toDir: number, to: string): number {
  if (native.linkat(fd, EMPTY_PATH, toDir, nativePath2(to), AT_EMPTY_PATH) === 0) return 0;
  const errno = lastErrno();
  if (errno !== ENOENT && errno !== EPERM && errno !== EINVAL && errno !== ENOSYS) return -errno;
  const viaProc = native.linkat(
    AT_FDCWD,
    nativePath(procPath(fd)),
    toDir,
    nativePath2(to),
    AT_SYMLINK_FOLLOW,
  );
  return viaProc === 0 ? 0 : -lastErrno();
}

/** symlinkat(2). The target is bytes of any form. Returns 0 or the negated errno. */
export function trySymlinkAt(target: ByteString, dir: number, name: string): number {
  return native.symlinkat(nativeString(target), dir, nativePath(name)) === 0 ? 0 : -lastErrno();
}

/** A link's text cannot be longer than this on any Linux file system (PATH_MAX, with room to notice more). */
const linkText = Buffer.alloc(8192);

/** readlinkat(2); the empty name reads the link that an O_PATH descriptor stands for. The text or the negated errno. */
export function tryReadlinkAt(dir: number, name: string): ByteString | number {
  // An empty name has no way through /proc: there the descriptor's own link would be read.
  if (name !== "" && plainly()) {
    const text = plainReadlink(dir, name);
    return typeof text === "number" ? text : (text.toString("latin1") as ByteString);
  }
  const size = native.readlinkat(dir, nativePath(name), linkText, linkText.length);
  return size < 0 ? -lastErrno() : (linkText.toString("latin1", 0, size) as ByteString);
}

/** The kernel's and the C library's encoding of a device number in 64 bits. */
export function makeDevice(major: number, minor: number): bigint {
  const M = BigInt(major);
  const m = BigInt(minor);
  return ((M & 0xfffff000n) << 32n) | ((M & 0xfffn) << 8n) | ((m & 0xffffff00n) << 12n) | (m & 0xffn);
}

/** mknodat(2); `mode` has the type bits. Returns 0 or the negated errno. */
export function tryMknodAt(dir: number, name: string, mode: number, major: number, minor: number): number {
  return native.mknodat(dir, nativePath(name), mode, makeDevice(major, minor)) === 0 ? 0 : -lastErrno();
}
