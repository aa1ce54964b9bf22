import { displayName, type ByteString, type ErrorContext, type StoreError } from "@bootc-store/core";
import { errnoName } from "./errno.ts";
import { linuxErrors } from "./errors.ts";

type LinuxErrorKey = keyof typeof linuxErrors.rows;
export type LinuxError = StoreError<`linux/${LinuxErrorKey}`>;

/** What an errno is called here, and in words. Calls that mean something else by one say so themselves. */
const MEANINGS: { readonly [name: string]: readonly [LinuxErrorKey, string] } = {
  ENOENT: ["not-found", "no such file or directory"],
  EEXIST: ["exists", "already exists"],
  ENOTDIR: ["not-a-directory", "not a directory"],
  EISDIR: ["is-a-directory", "is a directory"],
  ENOTEMPTY: ["directory-not-empty", "directory not empty"],
  EACCES: ["permission-denied", "permission denied"],
  EPERM: ["permission-denied", "operation not permitted"],
  EROFS: ["read-only", "read-only file system"],
  ENOSPC: ["no-space", "no space left on device"],
  EDQUOT: ["no-space", "disk quota exceeded"],
  EXDEV: ["cross-device", "on another file system"],
  EMLINK: ["too-many-links", "too many links"],
  EMFILE: ["too-many-open-files", "too many open files"],
  ENFILE: ["too-many-open-files", "too many open files in the system"],
  EBUSY: ["busy", "device or resource busy"],
  ETXTBSY: ["busy", "file is open for writing or running"],
  EAGAIN: ["busy", "temporarily unavailable"],
  ELOOP: ["path-symlink", "a symbolic link that may not be followed"],
  ENAMETOOLONG: ["name-too-long", "name too long"],
  ENOSYS: ["call-unsupported", "the kernel does not have this call"],
  EOPNOTSUPP: ["call-unsupported", "not supported here"],
  ENOTTY: ["call-unsupported", "not supported by this file system"],
  ENODATA: ["attribute-absent", "no such attribute"],
  EIO: ["call-failed", "input/output error"],
  EINVAL: ["call-failed", "invalid argument"],
  EBADF: ["call-failed", "bad file descriptor"],
  EFBIG: ["call-failed", "file too large"],
  EUCLEAN: ["call-failed", "the file system is damaged"],
};

/**
 * The error of a failed system call.
 * @param subject what it was called on, for people; a path relative to the directory it was opened in.
 */
export function failure(
  call: string,
  errno: number,
  subject: string,
  context: ErrorContext = {},
): LinuxError {
  const name = errnoName(errno);
  const [key, words] = MEANINGS[name] ?? (["call-failed", name] as const);
  return failureAs(key, call, errno, subject, words, context);
}

/** {@link failure} where the errno has a meaning of this call's own. */
export function failureAs(
  key: LinuxErrorKey,
  call: string,
  errno: number,
  subject: string,
  words: string,
  context: ErrorContext = {},
): LinuxError {
  return linuxErrors.error(key, `${subject}: ${words} (${call})`, {
    context: { path: subject, call, errno, errnoName: errnoName(errno), ...context },
  });
}

/** A path below a directory, for messages: the directory's own label, then the name. */
export function subjectOf(label: string, path: ByteString): string {
  return label === "" ? displayName(path) : `${label}/${displayName(path)}`;
}

/** Runs one of Node's own file calls; its exception becomes an error of ours. */
export function nodeCall<T>(subject: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { errno, syscall } = error as { errno?: number; syscall?: string };
    if (typeof errno === "number" && errno < 0) throw failure(syscall ?? "fs", -errno, subject);
    throw error;
  }
}
