// Bombs: a few bytes that decompress to very many. What is compressed says nothing believable about its size, so the
// output is counted against what went in.

import { ociErrors } from "../errors.ts";

export interface DecompressLimits {
  /** Bytes of output at most. */
  readonly maxSize: number;
  /** Bytes of output a byte of input at most, once there are more than `ratioFloor`. */
  readonly maxRatio: number;
  /** Bytes of output that are never too many for their input. */
  readonly ratioFloor: number;
}

/** Real layers shrink to a third; trees of nothing but text to a tenth. */
export const DECOMPRESS_LIMITS: DecompressLimits = Object.freeze({
  maxSize: 2 ** 40,
  maxRatio: 200,
  ratioFloor: 64 << 20,
});

/** Counts what goes in and what comes out, and ends what has become too much. */
export class DecompressMeter {
  readonly #limits: DecompressLimits;
  #input = 0;
  #output = 0;

  constructor(limits: Partial<DecompressLimits> = {}) {
    this.#limits = { ...DECOMPRESS_LIMITS, ...limits };
  }

  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#input += chunk.length;
      yield chunk;
    }
  }

  /** Throws `oci/decompressed-too-large`. */
  add(bytes: number): void {
    this.#output += bytes;
    const { maxSize, maxRatio, ratioFloor } = this.#limits;
    const most = Math.min(maxSize, Math.max(ratioFloor, this.#input * maxRatio));
    if (this.#output <= most) return;
    throw ociErrors.error(
      "decompressed-too-large",
      `${this.#input} compressed bytes have become more than ${most}`,
      { context: { compressed: this.#input, limit: most } },
    );
  }
}
