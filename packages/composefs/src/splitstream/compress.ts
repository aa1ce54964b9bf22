// The zstd frames of a splitstream: level 3, streaming, so that the size is unknown and no checksum is written. With zstd
// 1.5.7, which Node has from 22.15 on, and writes of 128 KiB, the bytes are those of composefs-rs, and so is the name.

import { once } from "node:events";
import { Readable } from "node:stream";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";

import { concatBytes } from "@bootc-store/core";

import { composefsErrors } from "../errors.ts";

/** Other sizes give other, if valid, frames. */
const WRITE_SIZE = 128 * 1024;

/** Compresses a stream piece by piece. */
export class SectionWriter {
  readonly #encoder = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  readonly #output: Uint8Array[] = [];
  readonly #limit: number;
  #size = 0;
  #pending: Uint8Array = new Uint8Array(WRITE_SIZE);
  #filled = 0;

  /** `limit` is how many bytes the frame may have; what is written is kept until its end. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#encoder.on("data", (chunk: Uint8Array) => {
      this.#size += chunk.length;
      // What is beyond the limit is not kept; it is refused when the next bytes come, or at the end.
      if (this.#size <= this.#limit) this.#output.push(chunk);
    });
  }

  /** Takes bytes; waits when the encoder has enough to do. The bytes are copied. Throws `composefs/limit-exceeded`. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#checkSize();
    let waiting: Promise<void> | undefined;
    for (let at = 0; at < bytes.length;) {
      const size = Math.min(bytes.length - at, WRITE_SIZE - this.#filled);
      this.#pending.set(bytes.subarray(at, at + size), this.#filled);
      this.#filled += size;
      at += size;
      if (this.#filled === WRITE_SIZE) {
        if (!this.#encoder.write(this.#pending))
          waiting ??= once(this.#encoder, "drain").then(() => undefined);
        this.#pending = new Uint8Array(WRITE_SIZE);
        this.#filled = 0;
      }
    }
    return waiting;
  }

  /** The whole frame. */
  async finish(): Promise<Uint8Array> {
    if (this.#filled > 0) this.#encoder.write(this.#pending.subarray(0, this.#filled));
    const ended = once(this.#encoder, "end");
    this.#encoder.end();
    await ended;
    this.#checkSize();
    return concatBytes(this.#output);
  }

  #checkSize(): void {
    if (this.#size <= this.#limit) return;
    throw composefsErrors.error("limit-exceeded", `a section of more than ${this.#limit} compressed bytes`);
  }

  /** Lets go of the encoder when the stream is not wanted any more. */
  destroy(): void {
    this.#encoder.destroy();
  }
}

/** Decompresses one frame, chunk by chunk. Throws `composefs/stream-invalid` for what is none. */
export async function* decompressSection(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const decoder = Readable.from([bytes]).pipe(createZstdDecompress({ chunkSize: 256 * 1024 }));
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (error) {
    throw composefsErrors.error("stream-invalid", "a section of the splitstream cannot be decompressed", {
      cause: error,
    });
  } finally {
    decoder.destroy();
  }
}
