import type { File } from "../file.ts";
import { type CancelSignal, throwIfCancelled } from "../signal.ts";
import { hashBytes, Hasher, type HashResults, type HashSpecs } from "./hasher.ts";

/** Read a piece at a time that stays in a core's cache until all hashes have seen it. A multiple of every block size. */
const CHUNK = 1 << 18;
let chunk: Buffer | undefined;

export interface FileHash<S extends HashSpecs = HashSpecs> {
  /** Bytes hashed. */
  readonly size: number;
  readonly digests: HashResults<S>;
}

/** The digests of a whole file, by reading at positions, so the descriptor's own does not move. Synchronous. */
export function hashFile<S extends HashSpecs>(file: File, specs: S, signal?: CancelSignal): FileHash<S> {
  const buffer = (chunk ??= Buffer.allocUnsafeSlow(CHUNK));
  // Most files are small: all of one comes by one call, and no other is needed to learn that it was all.
  const part = file.read(buffer, 0);
  const whole = part === file.sizeAtOpen || part === 0;
  const first = whole ? part : part + file.readFull(buffer.subarray(part), part);
  if (first < buffer.length) {
    return { size: first, digests: hashBytes(buffer.subarray(0, first), specs) };
  }
  const hasher = new Hasher(specs);
  hasher.update(buffer);
  for (;;) {
    throwIfCancelled(signal);
    const count = file.readFull(buffer, hasher.size);
    if (count > 0) hasher.update(count === buffer.length ? buffer : buffer.subarray(0, count));
    if (count < buffer.length) return { size: hasher.size, digests: hasher.finish() };
  }
}
