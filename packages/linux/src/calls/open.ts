import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOCTTY,
  O_PATH,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from "../constants.ts";
import { EAGAIN, EINTR, ENOSYS, EPERM } from "../errno.ts";
import { failure } from "../failure.ts";
import { declareCalls, lastErrno, libc, syscall } from "../ffi.ts";
import { nativePath, PATH_MAX } from "../native-path.ts";
import { plainClose, plainly, plainOpen } from "../plain.ts";

const native = declareCalls<{
  openat(dir: number, path: Uint8Array, flags: number, mode: number): number;
  openat2(dir: number, path: Uint8Array, how: Uint8Array, size: number): number;
  close(fd: number): number;
  fcntl(fd: number, command: number, argument: number): number;
}>({
  openat: libc("openat", "int, const void *, int, uint"),
  openat2: syscall(437, "int, const void *, const void *, ulong"),
  close: libc("close", "int"),
  fcntl: libc("fcntl", "int, int, int"),
});

export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

/** Flags of who does not only look. */
const NOT_PLAIN = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

/**
 * openat(2) with O_CLOEXEC and O_NOCTTY. Returns the descriptor, or the negated errno, so that callers can
 * try another way without the cost of an exception.
 */
export function tryOpenat(dir: number, path: string, flags: number, mode = 0): number {
  if ((flags & NOT_PLAIN) === 0 && path.length < PATH_MAX / 2 && plainly())
    return plainOpen(dir, path, flags | O_NOCTTY);
  for (;;) {
    const fd = native.openat(dir, nativePath(path), flags | O_CLOEXEC | O_NOCTTY, mode);
    if (fd >= 0) return fd;
    const errno = lastErrno();
    if (errno !== EINTR) return -errno;
  }
}

/** `struct open_how`: flags, mode and resolve, 64 bits each. */
const how = Buffer.alloc(24);

/** openat2(2). Returns the descriptor or the negated errno, like {@link tryOpenat}. */
export function tryOpenat2(dir: number, path: string, flags: number, mode: number, resolve: number): number {
  // Unlike openat, openat2 refuses flags and modes that would have no effect.
  const ignored = (flags & O_PATH) === 0 ? O_NOCTTY : 0;
  for (;;) {
    how.writeUInt32LE(flags | O_CLOEXEC | ignored, 0);
    how.writeUInt32LE((flags & O_CREAT) === 0 ? 0 : mode, 8);
    how.writeUInt32LE(resolve, 16);
    const fd = native.openat2(dir, nativePath(path), how, how.length);
    if (fd >= 0) return fd;
    const errno = lastErrno();
    if (errno !== EINTR) return -errno;
  }
}

let openat2Works: boolean | undefined;

/**
 * Whether this process may use openat2(2): kernels before 5.6 lack it, and some seccomp filters refuse it
 * with EPERM. Asked once.
 */
export function haveOpenat2(): boolean {
  if (openat2Works === undefined) {
    const fd = tryOpenat2(-100, "/", 0x200000, 0, 0);
    if (fd >= 0) closeFd(fd);
    openat2Works = fd >= 0 || (fd !== -ENOSYS && fd !== -EPERM);
  }
  return openat2Works;
}

/** For tests: makes {@link haveOpenat2} answer `value` while the handle lives. */
export function pretendOpenat2(value: boolean): Disposable {
  const before = openat2Works;
  openat2Works = value;
  return {
    [Symbol.dispose]() {
      openat2Works = before;
    },
  };
}

/** close(2). The descriptor is gone whatever the result; EIO of a late write-back is reported. */
export function closeFd(fd: number, subject = `descriptor ${fd}`): void {
  if (plainly()) {
    const result = plainClose(fd);
    if (result < 0) throw failure("close", -result, subject);
    return;
  }
  if (native.close(fd) === 0) return;
  const errno = lastErrno();
  if (errno !== EINTR && errno !== EAGAIN) throw failure("close", errno, subject);
}

/** close(2) in a path that already fails for another reason, which must not be hidden. */
export function closeQuietly(fd: number): void {
  if (plainly()) plainClose(fd);
  else native.close(fd);
}

const F_DUPFD_CLOEXEC = 1030;
const F_GETFL = 3;

/** Another descriptor of the same open file: same position, same locks of flock and OFD kind. */
export function duplicateFd(fd: number, subject = `descriptor ${fd}`): number {
  const copy = native.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw failure("fcntl F_DUPFD_CLOEXEC", lastErrno(), subject);
  return copy;
}

/** The flags that a descriptor was opened with (F_GETFL). */
export function openFlags(fd: number, subject = `descriptor ${fd}`): number {
  const flags = native.fcntl(fd, F_GETFL, 0);
  if (flags < 0) throw failure("fcntl F_GETFL", lastErrno(), subject);
  return flags;
}
