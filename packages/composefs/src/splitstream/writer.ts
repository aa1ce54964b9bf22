import { type ByteString, bytesOf, concatBytes, fromHex, utf8 } from "@bootc-store/core";

import { ALGORITHMS, type ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";
import { COMPOSEFS_LIMITS, type ComposefsLimits } from "../limits.ts";
import { SectionWriter } from "./compress.ts";
import { type ContentType, header, HEADER_SIZE, LG_BLOCK_SIZE, MAGIC } from "./layout.ts";

const EIGHT = 8;

/** Puts a splitstream together. Inline runs are merged; references are kept once, in order of first use. */
export class SplitstreamWriter {
  readonly #algorithm: ComposefsAlgorithm;
  readonly #contentType: ContentType;
  readonly #body: SectionWriter;
  #inline = new Uint8Array(64 << 10);
  #inlineSize = 0;
  readonly #inlineLimit: number;
  readonly #objects = new Map<string, number>();
  readonly #streams = new Map<string, number>();
  readonly #names = new Map<string, number>();
  readonly #tables: number;
  #size = 0n;

  /** Of the limits, `inline` is how many bytes may wait between two objects, `tables` how many a compressed section may have. */
  constructor(
    algorithm: ComposefsAlgorithm,
    contentType: ContentType,
    limits: Pick<ComposefsLimits, "inline" | "tables"> = COMPOSEFS_LIMITS,
  ) {
    this.#inlineLimit = limits.inline;
    this.#body = new SectionWriter(limits.tables);
    this.#tables = limits.tables;
    this.#algorithm = algorithm;
    this.#contentType = contentType;
  }

  /** Bytes of the reassembled stream so far. */
  get size(): bigint {
    return this.#size;
  }

  /**
   * Bytes that stay in the stream. They are copied. Throws `composefs/limit-exceeded`.
   */
  inline(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#inlineSize + bytes.length > this.#inlineLimit) {
      throw composefsErrors.error(
        "limit-exceeded",
        `more than ${this.#inlineLimit} bytes without a file that is stored by itself`,
      );
    }
    this.#makeRoom(this.#inlineSize + bytes.length);
    this.#inline.set(bytes, this.#inlineSize);
    this.#inlineSize += bytes.length;
    this.#size += BigInt(bytes.length);
  }

  /** A piece of `size` bytes that is an object. Wait for what it returns, if anything, before going on. */
  external(object: string, size: number): Promise<void> | undefined {
    const flushed = this.#flush();
    this.#size += BigInt(size);
    const record = new Uint8Array(EIGHT);
    new DataView(record.buffer).setBigInt64(0, BigInt(indexOf(this.#objects, object)), true);
    const written = this.#body.write(record);
    return flushed === undefined
      ? written
      : written === undefined
        ? flushed
        : Promise.all([flushed, written]).then(() => undefined);
  }

  /** Keeps another stream or image alive under a name. */
  reference(name: string, id: string): void {
    this.#names.set(name, indexOf(this.#streams, id));
  }

  /** The file. */
  async finish(): Promise<Uint8Array> {
    await this.#flush();
    const stream = await this.#body.finish();
    const names = await this.#finishNames();
    const streamRefs = digests(this.#streams.keys());
    const objectRefs = digests(this.#objects.keys());
    const streamRefsEnd = HEADER_SIZE + streamRefs.length;
    const objectRefsEnd = streamRefsEnd + objectRefs.length;
    const namedRefsEnd = objectRefsEnd + names.length;
    const head = header.encode({
      magic: bytesOf(utf8(MAGIC)),
      version: 0,
      flags: 0,
      algorithm: ALGORITHMS[this.#algorithm].number,
      lgBlockSize: LG_BLOCK_SIZE,
      infoStart: 32n,
      infoEnd: BigInt(HEADER_SIZE),
      streamRefsStart: BigInt(HEADER_SIZE),
      streamRefsEnd: BigInt(streamRefsEnd),
      objectRefsStart: BigInt(streamRefsEnd),
      objectRefsEnd: BigInt(objectRefsEnd),
      streamStart: BigInt(namedRefsEnd),
      streamEnd: BigInt(namedRefsEnd + stream.length),
      namedRefsStart: BigInt(objectRefsEnd),
      namedRefsEnd: BigInt(namedRefsEnd),
      contentType: bytesOf(utf8(this.#contentType)),
      streamSize: this.#size,
    });
    return concatBytes([head, streamRefs, objectRefs, names, stream]);
  }

  destroy(): void {
    this.#body.destroy();
  }

  #flush(): Promise<void> | undefined {
    if (this.#inlineSize === 0) return undefined;
    const record = new Uint8Array(EIGHT);
    new DataView(record.buffer).setBigInt64(0, -BigInt(this.#inlineSize), true);
    const first = this.#body.write(record);
    const waiting = this.#body.write(this.#inline.subarray(0, this.#inlineSize)) ?? first;
    this.#inlineSize = 0;
    return waiting;
  }

  #makeRoom(size: number): void {
    if (size <= this.#inline.length) return;
    const more = new Uint8Array(Math.max(size, this.#inline.length * 2));
    more.set(this.#inline.subarray(0, this.#inlineSize));
    this.#inline = more;
  }

  async #finishNames(): Promise<Uint8Array> {
    const section = new SectionWriter(this.#tables);
    const names = [...this.#names].map(([name, index]): [ByteString, number] => [utf8(name), index]);
    for (const [name, index] of names.sort(([a], [b]) => (a < b ? -1 : 1))) {
      await section.write(bytesOf(`${index}:${name}\0` as ByteString));
    }
    return await section.finish();
  }
}

function indexOf(table: Map<string, number>, id: string): number {
  const known = table.get(id);
  if (known !== undefined) return known;
  table.set(id, table.size);
  return table.size - 1;
}

function digests(ids: Iterable<string>): Uint8Array {
  return concatBytes([...ids].map(fromHex));
}
