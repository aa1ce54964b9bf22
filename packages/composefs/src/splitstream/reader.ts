import { byteString, concatBytes, isStoreError, textOf, toHex, utf8 } from "@bootc-store/core";
import type { File } from "@bootc-store/linux";

import { ALGORITHMS, type ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";
import { COMPOSEFS_LIMITS, type ComposefsLimits } from "../limits.ts";
import { decompressSection } from "./compress.ts";
import { header, HEADER_SIZE, MAGIC, oldHeader } from "./layout.ts";

/** The tables of a splitstream. Its body is read by {@link readPieces}. */
export interface Splitstream {
  readonly algorithm: ComposefsAlgorithm;
  readonly contentType: string;
  /** Bytes of the reassembled stream. */
  readonly size: bigint;
  /** Objects that the stream is made of, by their digests, in order of first use. */
  readonly objects: readonly string[];
  /** Streams and images that it keeps alive, by name. */
  readonly references: ReadonlyMap<string, string>;
  /** Where the compressed body lies in the file. */
  readonly body: { readonly start: number; readonly size: number };
  /** True for the header of bootc up to 1.15. */
  readonly old: boolean;
}

/** A piece of a stream: bytes, or an object. */
export type Piece =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "object"; readonly object: string };

/**
 * Reads the tables of a splitstream. Throws `composefs/stream-invalid` for anything whose header or ranges lie,
 * `composefs/limit-exceeded` for tables that are too large.
 */
export async function readSplitstream(
  file: File,
  limits: ComposefsLimits = COMPOSEFS_LIMITS,
): Promise<Splitstream> {
  const fileSize = file.stat().size;
  const head = new Uint8Array(HEADER_SIZE);
  if (file.readFull(head, 0) < HEADER_SIZE) throw invalid(file, "it is shorter than its header");
  const old = !startsWithMagic(head, 0);
  if (old && !startsWithMagic(head, 18)) throw invalid(file, "invalid splitstream header magic value");
  const fields = decodeHeader(file, head, old);
  const algorithm = (Object.keys(ALGORITHMS) as ComposefsAlgorithm[]).find(
    (each) => ALGORITHMS[each].number === fields.algorithm,
  );
  if (algorithm === undefined) throw invalid(file, `unknown fs-verity algorithm ${fields.algorithm}`);

  const take = (name: string, start: bigint, end: bigint): Uint8Array => {
    const { start: from, size } = checkRange(file, name, start, end, fileSize);
    if (size > limits.tables) throw tooLarge(file, `${name} has ${size} bytes`);
    const bytes = new Uint8Array(size);
    if (file.readFull(bytes, from) < size) throw invalid(file, `${name} ends early`);
    return bytes;
  };
  const streams = splitDigests(
    file,
    take("stream_refs", fields.streamRefsStart, fields.streamRefsEnd),
    algorithm,
  );
  const objects = splitDigests(
    file,
    take("object_refs", fields.objectRefsStart, fields.objectRefsEnd),
    algorithm,
  );
  const names = await decompressBounded(
    file,
    take("named_refs", fields.namedRefsStart, fields.namedRefsEnd),
    limits.tables,
  );
  return {
    algorithm,
    contentType: byteString(fields.contentType),
    size: fields.streamSize,
    objects,
    references: parseNames(file, names, streams),
    body: checkRange(file, "stream", fields.streamStart, fields.streamEnd, fileSize),
    old,
  };
}

/** The pieces of a stream, in order. Memory is bounded by one inline run's limit. */
export async function* readPieces(
  file: File,
  stream: Splitstream,
  limits: ComposefsLimits = COMPOSEFS_LIMITS,
): AsyncGenerator<Piece> {
  const { start, size } = stream.body;
  if (size > limits.tables) throw tooLarge(file, `the stream has ${size} compressed bytes`);
  const compressed = new Uint8Array(size);
  if (file.readFull(compressed, start) < size) throw invalid(file, "the stream ends early");
  const source = new Puller(decompressSection(compressed));
  for (;;) {
    const record = await source.take(8, file);
    if (record === undefined) return;
    const value = new DataView(record.buffer, record.byteOffset, 8).getBigInt64(0, true);
    if (value >= 0n) {
      const object = stream.objects[Number(value)];
      if (object === undefined)
        throw invalid(file, `it refers to object ${value} of ${stream.objects.length}`);
      yield { kind: "object", object };
      continue;
    }
    let left = -value;
    if (left > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(file, "an inline run is longer than any file");
    while (left > 0n) {
      const bytes = await source.some(Number(left < 1_048_576n ? left : 1_048_576n));
      if (bytes === undefined) throw invalid(file, "unexpected end of the stream");
      left -= BigInt(bytes.length);
      yield { kind: "inline", bytes };
    }
  }
}

function decodeHeader(file: File, head: Uint8Array, old: boolean): ReturnType<typeof header.decode> {
  try {
    return (old ? oldHeader : header).decode(head);
  } catch (error) {
    if (isStoreError(error))
      throw composefsErrors.error("stream-invalid", `${file.label}: ${error.message}`, { cause: error });
    throw error;
  }
}

function startsWithMagic(head: Uint8Array, at: number): boolean {
  return byteString(head.subarray(at, at + MAGIC.length)) === utf8(MAGIC);
}

function checkRange(
  file: File,
  name: string,
  start: bigint,
  end: bigint,
  fileSize: number,
): { start: number; size: number } {
  if (start > end || end > BigInt(fileSize)) throw invalid(file, `${name} lies outside of the file`);
  return { start: Number(start), size: Number(end - start) };
}

function splitDigests(file: File, bytes: Uint8Array, algorithm: ComposefsAlgorithm): string[] {
  const size = ALGORITHMS[algorithm].digestSize;
  if (bytes.length % size !== 0) throw invalid(file, "a table of digests has a wrong length");
  return Array.from({ length: bytes.length / size }, (_, index) =>
    toHex(bytes.subarray(index * size, (index + 1) * size)),
  );
}

async function decompressBounded(file: File, bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of decompressSection(bytes)) {
    size += part.length;
    if (size > limit) throw tooLarge(file, `its names take more than ${limit} bytes`);
    parts.push(part);
  }
  return concatBytes(parts);
}

function parseNames(file: File, bytes: Uint8Array, streams: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  if (bytes.length === 0) return names;
  if (bytes.at(-1) !== 0) throw invalid(file, "its names do not end with a NUL");
  for (const entry of byteString(bytes.subarray(0, -1)).split("\0")) {
    const [, index = "", raw = ""] = /^([0-9]+):([\s\S]*)$/.exec(entry) ?? [];
    const id = streams[Number(index)];
    const name = textOf(raw as ReturnType<typeof utf8>);
    if (index === "" || id === undefined || name === undefined)
      throw invalid(file, "its names are malformed");
    names.set(name, id);
  }
  return names;
}

/** Takes bytes from chunks, across their borders. */
class Puller {
  readonly #chunks: AsyncGenerator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(chunks: AsyncGenerator<Uint8Array>) {
    this.#chunks = chunks;
  }

  /** Up to `most` bytes, a view; `undefined` at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#chunk.length) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#chunk = value;
      this.#at = 0;
    }
    const bytes = this.#chunk.subarray(this.#at, this.#at + most);
    this.#at += bytes.length;
    return bytes;
  }

  /** Exactly `size` bytes; `undefined` at the end, an error in the middle. */
  async take(size: number, file: File): Promise<Uint8Array | undefined> {
    const first = await this.some(size);
    if (first === undefined || first.length === size) return first;
    const whole = new Uint8Array(size);
    whole.set(first);
    for (let filled = first.length; filled < size;) {
      const more = await this.some(size - filled);
      if (more === undefined) throw invalid(file, "unexpected end of the stream");
      whole.set(more, filled);
      filled += more.length;
    }
    return whole;
  }
}

function invalid(file: File, problem: string): Error {
  return composefsErrors.error("stream-invalid", `${file.label}: ${problem}`, {
    context: { path: file.label },
  });
}

function tooLarge(file: File, problem: string): Error {
  return composefsErrors.error("limit-exceeded", `${file.label}: ${problem}`, {
    context: { path: file.label },
  });
}
