import { tryClone } from "./calls/clone.ts";
import { statFileSystem } from "./calls/stat.ts";
import type { Dir } from "./dir.ts";
import { EINVAL, ENOSYS, ENOTTY, EOPNOTSUPP, EXDEV } from "./errno.ts";
import { failure } from "./failure.ts";
import type { File } from "./file.ts";

/** By file system, for the life of the process: one does not change its mind. */
const known = new Map<string, boolean>();

/** Errors of FICLONE that mean "never between such files". */
export function cannotClone(errno: number): boolean {
  return [EOPNOTSUPP, EXDEV, ENOTTY, EINVAL, ENOSYS].includes(errno);
}

/**
 * Whether files in this directory's file system can share blocks. Asked once a file system, when first needed: one unnamed
 * file gets a byte and is cloned into another; nothing remains. Not supported is false, any other failure an error.
 */
export function reflinksSupported(dir: Dir): boolean {
  const key = fileSystemKey(dir.self());
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

/** Tells file systems apart; the device alone does not, since a loop device has another one after the next mount. */
export function fileSystemKey(file: File): string {
  const { major, minor } = file.stat().dev;
  const { magic, id } = statFileSystem(file.fd, file.label);
  return `${major}:${minor} ${magic.toString(16)} ${id}`;
}
