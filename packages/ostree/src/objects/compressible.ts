import { deflateRawSync } from "node:zlib";

/** Below this it takes longer to find out than to compress. */
const LEAST = 1 << 13;
const PIECE = 1 << 12;
const PIECES = 4;
/** Bits in a byte, of 8, from which on only repeats could make content smaller. 16 KiB of random bytes have 7.99. */
const DENSE = 7.85;
/** How much of it is compressed to be sure. */
const PROBE = 1 << 16;
/** What is not made smaller than this, to one, is stored as it is. */
const WORTH = 0.98;

/**
 * Whether to compress a content pays. A fifth of a system's bytes are compressed already (kernel modules, manuals,
 * pictures), and to try them costs as much as to compress the rest. A few pieces are looked at; where they are as dense
 * as compressed data, one longer piece is compressed at the lowest level.
 * @param read gives `length` bytes from an offset on, good until the next call.
 */
export function isCompressible(size: number, read: (offset: number, length: number) => Uint8Array): boolean {
  if (size < LEAST) return true;
  const counts = new Uint32Array(256);
  let total = 0;
  for (let piece = 0; piece < PIECES; piece++) {
    const data = read(Math.floor(((size - PIECE) * piece) / (PIECES - 1)), PIECE);
    for (let at = 0; at < data.length; at++) (counts[data[at] as number] as number)++;
    total += data.length;
  }
  let bits = 0;
  for (const count of counts) if (count > 0) bits += count * Math.log2(total / count);
  if (bits < DENSE * total) return true;
  const length = Math.min(size, PROBE);
  const probe = read((size - length) >> 1, length);
  return deflateRawSync(probe, { level: 1 }).length < WORTH * probe.length;
}
