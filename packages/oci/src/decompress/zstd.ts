// zstd, frame by frame. Small frames, of which zstd:chunked layers have thousands, are decompressed in place; large
// ones go through a stream.

import { constants, createZstdDecompress, zstdDecompressSync } from "node:zlib";

import { concatBytes } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { OUTPUT_CHUNK, zlibError } from "./gzip.ts";
import { through } from "./through.ts";
import { type FrameHeader, ZstdFrames } from "./zstd-frames.ts";

/** Bytes, compressed and not, up to which a frame is decompressed in one call. */
const SMALL_INPUT = 256 << 10;
const SMALL_OUTPUT = 4 << 20;

/** What Node's decoder takes unless told otherwise. */
export const ZSTD_WINDOW_MAX = 2 ** 27;

type Event =
  | { readonly kind: "frame"; readonly header: FrameHeader }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly bound: number };

export interface ZstdOptions {
  /** Bytes of a frame's window at most; 128 MiB unless given, and never more than zstd itself has. */
  readonly maxWindow?: number;
}

/**
 * The output of a zstd stream, all frames of it. Throws `oci/compressed-invalid`, `oci/compressed-truncated`,
 * `oci/zstd-window`, `oci/compression-unsupported`.
 */
export async function* unzstd(
  chunks: AsyncIterable<Uint8Array>,
  options: ZstdOptions = {},
): AsyncGenerator<Uint8Array> {
  const maxWindow = options.maxWindow ?? ZSTD_WINDOW_MAX;
  const events = new FrameSource(chunks, maxWindow);
  try {
    for (let event = await events.next(); event !== undefined; event = await events.next()) {
      if (event.kind === "frame") yield* decodeFrame(events, event.header, maxWindow);
    }
  } finally {
    await events.close();
  }
}

async function* decodeFrame(
  events: FrameSource,
  header: FrameHeader,
  maxWindow: number,
): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  while (size <= SMALL_INPUT) {
    const event = await events.next();
    if (event === undefined || event.kind === "frame") throw unexpected();
    if (event.kind === "end") {
      const bound = Math.min(header.contentSize ?? event.bound, event.bound);
      if (bound <= SMALL_OUTPUT) yield decodeSmall(concatBytes(parts), bound, header, maxWindow);
      else yield* decodeLarge(asyncOf(parts), header, maxWindow);
      return;
    }
    // A copy, since the next chunk may be written over this one; a Buffer's own `slice` would be none.
    parts.push(new Uint8Array(event.bytes));
    size += event.bytes.length;
  }
  yield* decodeLarge(restOf(events, parts), header, maxWindow);
}

function decodeSmall(frame: Uint8Array, bound: number, header: FrameHeader, maxWindow: number): Uint8Array {
  let output: Uint8Array;
  try {
    output = zstdDecompressSync(frame, {
      maxOutputLength: Math.max(bound, 1),
      params: windowParams(maxWindow),
    });
  } catch (error) {
    throw zlibError(error, "zstd");
  }
  checkSize(output.length, header);
  return output;
}

async function* decodeLarge(
  frame: AsyncIterable<Uint8Array>,
  header: FrameHeader,
  maxWindow: number,
): AsyncGenerator<Uint8Array> {
  const engine = createZstdDecompress({
    chunkSize: OUTPUT_CHUNK,
    params: windowParams(maxWindow),
  });
  let size = 0;
  try {
    for await (const chunk of through(frame, engine)) {
      size += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw zlibError(error, "zstd");
  }
  checkSize(size, header);
}

function windowParams(maxWindow: number): Record<number, number> {
  return { [constants.ZSTD_d_windowLogMax]: Math.min(31, Math.max(10, Math.ceil(Math.log2(maxWindow)))) };
}

function checkSize(size: number, header: FrameHeader): void {
  if (header.contentSize === undefined || header.contentSize === size) return;
  throw ociErrors.error(
    "compressed-invalid",
    `a zstd frame says that it holds ${header.contentSize} bytes, it holds ${size}`,
  );
}

/** What was taken of the frame already, and the rest of it. */
async function* restOf(events: FrameSource, parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
  for (;;) {
    const event = await events.next();
    if (event === undefined || event.kind === "frame") throw unexpected();
    if (event.kind === "end") return;
    yield event.bytes;
  }
}

async function* asyncOf(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

function unexpected(): Error {
  return ociErrors.error("compressed-truncated", "the zstd data ends within a frame");
}

/** Pulls from the stream and queues what the walker makes of a chunk. */
class FrameSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #frames: ZstdFrames;
  #queue: Event[] = [];
  #at = 0;
  #done = false;

  constructor(chunks: AsyncIterable<Uint8Array>, maxWindow: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#frames = new ZstdFrames(
      {
        frame: (header) => void this.#queue.push({ kind: "frame", header }),
        data: (bytes) => void this.#queue.push({ kind: "data", bytes }),
        frameEnd: (bound) => void this.#queue.push({ kind: "end", bound }),
      },
      maxWindow,
    );
  }

  async next(): Promise<Event | undefined> {
    while (this.#at >= this.#queue.length) {
      if (this.#done) return undefined;
      this.#queue = [];
      this.#at = 0;
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        this.#done = true;
        this.#frames.end();
      } else this.#frames.push(value);
    }
    return this.#queue[this.#at++];
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#chunks.return?.();
  }
}
