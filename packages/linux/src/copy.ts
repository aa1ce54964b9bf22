import { tryCopyRange, trySeekData, trySeekHole } from "./calls/clone.ts";
import { EBADF, EINVAL, ENOSYS, ENXIO, EOPNOTSUPP, EXDEV } from "./errno.ts";
import { failure } from "./failure.ts";
import type { File } from "./file.ts";
import { type CancelSignal, throwIfCancelled } from "./signal.ts";

/** At most this much is copied between two looks at the signal. */
const STEP = 1 << 26;
const BUFFER = 1 << 20;
let room: Buffer | undefined;

/**
 * Copies the content of one file into another, empty one: by copy_file_range(2), which lets the file system or its
 * server do it, else by reading and writing. Holes stay holes. Returns the bytes of the file.
 *
 * Synchronous; run it on the pool for large files.
 */
export function copyContent(from: File, to: File, signal?: CancelSignal): number {
  const { size, blocks } = from.stat();
  if (blocks * 512 >= size) {
    copyRange(from, to, 0, size, signal);
    // What was added after the size was taken belongs to the copy as well.
    return copyRange(from, to, size, Number.MAX_SAFE_INTEGER, signal);
  }
  // Finding holes moves the position, which others may be using; so look through an opening of our own.
  using own = from.reopen("read");
  for (let at = 0; at < size;) {
    const data = trySeekData(own.fd, at);
    if (data === -ENXIO) break;
    if (data < 0 && data !== -EINVAL) throw failure("lseek", -data, from.label);
    const start = data < 0 ? at : data;
    const hole = data < 0 ? size : trySeekHole(own.fd, start);
    if (hole < 0) throw failure("lseek", -hole, from.label);
    copyRange(own, to, start, hole, signal);
    at = hole;
  }
  if (to.stat().size < size) to.truncate(size);
  return size;
}

/** Copies bytes `start` to `end`, or to the end of the file if that comes first. Returns where it stopped. */
function copyRange(
  from: File,
  to: File,
  start: number,
  end: number,
  signal: CancelSignal | undefined,
): number {
  let at = start;
  while (at < end) {
    throwIfCancelled(signal);
    const count = tryCopyRange(from.fd, to.fd, at, Math.min(end - at, STEP));
    if (count === 0) break;
    if (count < 0) {
      if (!CANNOT.has(-count)) throw failure("copy_file_range", -count, to.label);
      return copyByHand(from, to, at, end, signal);
    }
    at += count;
  }
  // Files of /proc and some others have no size and give nothing to copy_file_range, but can be read.
  return at === start && at < end ? copyByHand(from, to, at, end, signal) : at;
}

/** Errors that mean "not between these two files", not "the copy failed". */
const CANNOT = new Set([ENOSYS, EXDEV, EOPNOTSUPP, EINVAL, EBADF]);

function copyByHand(
  from: File,
  to: File,
  start: number,
  end: number,
  signal: CancelSignal | undefined,
): number {
  // One for all calls: nothing else runs meanwhile, and a new one for every file would keep the collector busy.
  const buffer = (room ??= Buffer.allocUnsafeSlow(BUFFER));
  let at = start;
  while (at < end) {
    throwIfCancelled(signal);
    const part = buffer.length <= end - at ? buffer : buffer.subarray(0, end - at);
    const count = from.readFull(part, at);
    to.write(part.subarray(0, count), at);
    at += count;
    if (count < part.length) break;
  }
  return at;
}
