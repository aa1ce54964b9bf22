import { EINTR } from "../errno.ts";
import { declareCalls, lastErrno, libc, syscall } from "../ffi.ts";

const native = declareCalls<{
  ioctlInt(fd: number, request: number, argument: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  copyFileRange(
    from: number,
    fromOffset: Uint8Array,
    to: number,
    toOffset: Uint8Array,
    length: number,
    flags: number,
  ): number;
  lseek(fd: number, offset: number, whence: number): number;
}>({
  ioctlInt: libc("ioctl", "int, ulong, long"),
  ioctl: libc("ioctl", "int, ulong, void *"),
  copyFileRange: syscall({ x64: 326, arm64: 285 }, "int, void *, int, void *, ulong, uint"),
  lseek: { libc: "lseek", returns: "long", takes: "int, long, int" },
});

const FICLONE = 0x4004_9409;

/**
 * ioctl FICLONE: makes `to` share the blocks of `from`, whole file. Returns 0 or the negated errno; EOPNOTSUPP, EXDEV,
 * ENOTTY and EINVAL mean that these two files cannot share.
 */
export function tryClone(from: number, to: number): number {
  return native.ioctlInt(to, FICLONE, from) === 0 ? 0 : -lastErrno();
}

const fromAt = Buffer.alloc(8);
const toAt = Buffer.alloc(8);

/** copy_file_range(2) at one position of both files. Returns the bytes copied, 0 at the end, or the negated errno. */
export function tryCopyRange(from: number, to: number, offset: number, length: number): number {
  for (;;) {
    fromAt.writeBigInt64LE(BigInt(offset));
    toAt.writeBigInt64LE(BigInt(offset));
    const count = native.copyFileRange(from, fromAt, to, toAt, length, 0);
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno !== EINTR) return -errno;
  }
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Where the next data begins at or after `offset` (ENXIO: there is none), moving the position. Or the negated errno. */
export function trySeekData(fd: number, offset: number): number {
  const at = native.lseek(fd, offset, SEEK_DATA);
  return at < 0 ? -lastErrno() : at;
}

/** Where the next hole, or the end, begins at or after `offset`, moving the position. Or the negated errno. */
export function trySeekHole(fd: number, offset: number): number {
  const at = native.lseek(fd, offset, SEEK_HOLE);
  return at < 0 ? -lastErrno() : at;
}

const FS_IOC_FIEMAP = 0xc020_660b;

/** ioctl FIEMAP on a prepared `struct fiemap`. Returns 0 or the negated errno. */
export function tryFiemap(fd: number, request: Uint8Array): number {
  return native.ioctl(fd, FS_IOC_FIEMAP, request) === 0 ? 0 : -lastErrno();
}
