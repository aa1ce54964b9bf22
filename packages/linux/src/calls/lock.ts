import { EACCES, EAGAIN, EINTR } from "../errno.ts";
import { failure } from "../failure.ts";
import { declareCalls, lastErrno, libc } from "../ffi.ts";

const native = declareCalls<{
  flock(fd: number, operation: number): number;
  fcntl(fd: number, command: number, lock: Uint8Array): number;
}>({
  flock: libc("flock", "int, int"),
  fcntl: libc("fcntl", "int, int, void *"),
});

/**
 * The three kinds that the real tools use, which do not see one another except `ofd` and `record`:
 *
 * - `flock`: flock(2), whole file, owned by the open file. composefs takes it on the repository's directory, ostree on
 *   the sysroot's lock file.
 * - `ofd`: open-file-description record lock (F_OFD_SETLK), owned by the open file. ostree takes it on a repo's `.lock`.
 * - `record`: classic record lock (F_SETLK), owned by the process, and gone when the process closes any descriptor of
 *   the file. containers-storage takes it on its index files.
 */
export type LockKind = "flock" | "ofd" | "record";

export type LockMode = "shared" | "exclusive";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

const F_GETLK = 5;
const F_SETLK = 6;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;

const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

/**
 * Tries to take or change the lock of a whole file, without waiting. False: somebody else has it.
 * An exclusive `ofd` or `record` lock needs a descriptor open for writing, a shared one for reading.
 */
export function tryLockFd(fd: number, kind: LockKind, mode: LockMode | "none", subject: string): boolean {
  for (;;) {
    const result =
      kind === "flock"
        ? native.flock(fd, FLOCK_OPERATIONS[mode] | LOCK_NB)
        : native.fcntl(fd, kind === "ofd" ? F_OFD_SETLK : F_SETLK, wholeFile(RECORD_TYPES[mode]));
    if (result === 0) return true;
    const errno = lastErrno();
    if (errno === EAGAIN || errno === EACCES) return false;
    if (errno !== EINTR) throw failure(kind === "flock" ? "flock" : `fcntl ${kind}`, errno, subject);
  }
}

const FLOCK_OPERATIONS = { shared: LOCK_SH, exclusive: LOCK_EX, none: LOCK_UN } as const;
const RECORD_TYPES = { shared: F_RDLCK, exclusive: F_WRLCK, none: F_UNLCK } as const;

/**
 * The process that holds a record lock in the way of `mode`: its id, or "ofd" where an open file holds it, or
 * `undefined` where none does. flock(2) cannot be asked.
 */
export function lockHolder(
  fd: number,
  kind: "ofd" | "record",
  mode: LockMode,
  subject: string,
): number | "ofd" | undefined {
  const lock = wholeFile(RECORD_TYPES[mode]);
  if (native.fcntl(fd, kind === "ofd" ? F_OFD_GETLK : F_GETLK, lock) !== 0) {
    throw failure("fcntl F_GETLK", lastErrno(), subject);
  }
  if (lock.readInt16LE(0) === F_UNLCK) return undefined;
  const pid = lock.readInt32LE(24);
  return pid === -1 ? "ofd" : pid;
}

/** `struct flock`: type i16, whence i16, start i64 at 8, length i64 at 16 (0: to the end, wherever it is), pid i32 at 24. */
function wholeFile(type: number): Buffer {
  const lock = Buffer.alloc(32);
  lock.writeInt16LE(type, 0);
  return lock;
}
