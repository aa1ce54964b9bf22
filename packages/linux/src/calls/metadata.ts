import type { TimeSpec } from "./stat.ts";
import { closeQuietly, tryOpenat } from "./open.ts";
import { fileTypeOf, statFd } from "./stat.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_NOFOLLOW, O_PATH } from "../constants.ts";
import { ENOSYS, EOPNOTSUPP } from "../errno.ts";
import { declareCalls, lastErrno, libc, syscall } from "../ffi.ts";
import { EMPTY_PATH, nativePath, procPath } from "../native-path.ts";

const native = declareCalls<{
  fchmod(fd: number, mode: number): number;
  fchmodat2(dir: number, name: Uint8Array, mode: number, flags: number): number;
  fchmodat(dir: number, name: Uint8Array, mode: number, flags: number): number;
  fchownat(dir: number, name: Uint8Array, uid: number, gid: number, flags: number): number;
  utimensat(dir: number, name: Uint8Array, times: Uint8Array, flags: number): number;
  futimens(fd: number, times: Uint8Array): number;
}>({
  fchmod: libc("fchmod", "int, uint"),
  fchmodat2: syscall(452, "int, const void *, uint, uint"),
  fchmodat: libc("fchmodat", "int, const void *, uint, int"),
  fchownat: libc("fchownat", "int, const void *, uint, uint, int"),
  utimensat: libc("utimensat", "int, const void *, const void *, int"),
  futimens: libc("futimens", "int, const void *"),
});

/** fchmod(2). Returns 0 or the negated errno. */
export function tryChmodFd(fd: number, mode: number): number {
  return native.fchmod(fd, mode) === 0 ? 0 : -lastErrno();
}

let haveFchmodat2 = true;

/**
 * Sets the permission bits of a name without following a symbolic link: fchmodat2(2) from kernel 6.6 on, else
 * an O_PATH descriptor and /proc. A symbolic link itself has no mode that can be set: EOPNOTSUPP.
 * Returns 0 or the negated errno.
 */
export function tryChmodAt(dir: number, name: string, mode: number): number {
  if (haveFchmodat2) {
    if (native.fchmodat2(dir, nativePath(name), mode, AT_SYMLINK_NOFOLLOW) === 0) return 0;
    const errno = lastErrno();
    if (errno !== ENOSYS) return -errno;
    haveFchmodat2 = false;
  }
  const fd = tryOpenat(dir, name, O_PATH | O_NOFOLLOW);
  if (fd < 0) return fd;
  try {
    if (fileTypeOf(statFd(fd).mode) === "symlink") return -EOPNOTSUPP;
    return native.fchmodat(AT_FDCWD, nativePath(procPath(fd)), mode, 0) === 0 ? 0 : -lastErrno();
  } finally {
    closeQuietly(fd);
  }
}

/** The value that leaves an owner or group as it is. */
export const KEEP_OWNER = 0xffff_ffff;

/** fchownat(2) of a name, a symbolic link itself. Clears set-id bits of files. Returns 0 or the negated errno. */
export function tryChownAt(dir: number, name: string, uid: number, gid: number): number {
  return native.fchownat(dir, nativePath(name), uid, gid, AT_SYMLINK_NOFOLLOW) === 0 ? 0 : -lastErrno();
}

/** fchownat(2) of an open descriptor. Returns 0 or the negated errno. */
export function tryChownFd(fd: number, uid: number, gid: number): number {
  return native.fchownat(fd, EMPTY_PATH, uid, gid, AT_EMPTY_PATH) === 0 ? 0 : -lastErrno();
}

/** A time to set, `now`, or `keep` what is there. */
export type TimeChange = TimeSpec | "now" | "keep";

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const times = Buffer.alloc(32);

function encodeTimes(atime: TimeChange, mtime: TimeChange): Buffer {
  encodeTime(atime, 0);
  encodeTime(mtime, 16);
  return times;
}

function encodeTime(time: TimeChange, at: number): void {
  const special = time === "now" ? UTIME_NOW : time === "keep" ? UTIME_OMIT : undefined;
  times.writeBigInt64LE(special === undefined ? BigInt((time as TimeSpec).seconds) : 0n, at);
  times.writeBigInt64LE(BigInt(special ?? (time as TimeSpec).nanoseconds), at + 8);
}

/** utimensat(2) of a name, a symbolic link itself. Returns 0 or the negated errno. */
export function tryUtimesAt(dir: number, name: string, atime: TimeChange, mtime: TimeChange): number {
  const spec = encodeTimes(atime, mtime);
  return native.utimensat(dir, nativePath(name), spec, AT_SYMLINK_NOFOLLOW) === 0 ? 0 : -lastErrno();
}

/** futimens(3) of an open descriptor. Returns 0 or the negated errno. */
export function tryUtimesFd(fd: number, atime: TimeChange, mtime: TimeChange): number {
  return native.futimens(fd, encodeTimes(atime, mtime)) === 0 ? 0 : -lastErrno();
}
