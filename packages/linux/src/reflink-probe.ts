import { tryClone } from "./calls/clone.ts";
import type { Dir } from "./dir.ts";
import { EINVAL, ENOSYS, ENOTTY, EOPNOTSUPP, EXDEV } from "./errno.ts";
import { failure } from "./failure.ts";

/** By device, for the life of the process: a mounted file system does not change its mind. */
const known = new Map<string, boolean>();

/** Errors of FICLONE that mean "never between such files". */
export function cannotClone(errno: number): boolean {
  return [EOPNOTSUPP, EXDEV, ENOTTY, EINVAL, ENOSYS].includes(errno);
}

/**
 * Whether files in this directory's file system can share blocks. Asked once a device, when first needed: one unnamed
 * file gets a byte and is cloned into another; nothing remains. Not supported is false, any other failure an error.
 */
export function reflinksSupported(dir: Dir): boolean {
  const { dev } = dir.statSelf();
  const key = `${dev.major}:${dev.minor}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  using from = dir.tempFile();
  using to = dir.tempFile();
  from.file.write(Uint8Array.of(1));
  const result = tryClone(from.file.fd, to.file.fd);
  if (result < 0 && !cannotClone(-result)) throw failure("ioctl FICLONE", -result, to.file.label);
  known.set(key, result === 0);
  return result === 0;
}

/** For tests: forgets what was found. */
export function forgetReflinks(): void {
  known.clear();
}
