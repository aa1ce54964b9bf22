import { createGzip, type Gzip } from "node:zlib";

import type { ByteString } from "@bootc-store/core";
import type { File } from "@bootc-store/linux";

import { printTarSplit } from "../format/tar-split.ts";

/** A file whose checksum is not known yet: where it goes. */
export interface TarSplitFileSlot {
  /** Absent where there is no content, and so no checksum. */
  readonly hole?: { readonly block: Block; readonly at: number };
}

/** Lines that go to the compressor together, once every checksum in them is there. */
interface Block {
  readonly bytes: Buffer;
  fill: number;
  holes: number;
}

const BLOCK = 1 << 18;
const NO_CHECKSUM = new Uint8Array(8);
/** Base64 of a checksum is of one length, so lines are written before it is known. */
const HOLE = Buffer.from(NO_CHECKSUM).toString("base64");

/**
 * Writes a tar-split while the tar is being read. Records come in the tar's order; the checksums of files may come later,
 * and what follows a file waits for its checksum. Lines are kept as bytes: as strings, those of a large layer would be
 * most of what the collector has to do.
 */
export class TarSplitWriter implements Disposable {
  readonly #gzip: Gzip;
  #blocks: Block[] = [];
  #spare: Buffer | undefined;
  #position = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #ended: Promise<void>;

  /** @param file open for writing and empty; it stays the caller's. */
  constructor(file: File) {
    // The fastest level, as the real library has it.
    this.#gzip = createGzip({ level: 1 });
    this.#gzip.on("data", (chunk: Buffer) => {
      if (this.#failure !== undefined) return;
      try {
        file.write(chunk);
      } catch (error) {
        this.#failure = { error };
      }
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#gzip.on("end", resolve);
      this.#gzip.on("error", reject);
    });
    // Looked at when the writer is finished; a writer that is given up is not waited for.
    this.#ended.catch(() => undefined);
  }

  /** True if {@link TarSplitWriter.drain} should be called before more is added. */
  get full(): boolean {
    return this.#blocks.length > 1 && this.#blocks[0]?.holes === 0;
  }

  /** @param bytes the caller's again when this returns. */
  segment(bytes: Uint8Array): void {
    this.#write(printTarSplit({ type: "segment", bytes }, this.#position++));
  }

  file(name: ByteString, size: number): TarSplitFileSlot {
    const hasContent = size > 0;
    const record = { type: "file", name, size, ...(hasContent ? { crc64: NO_CHECKSUM } : {}) } as const;
    const line = printTarSplit(record, this.#position++);
    const { block, at } = this.#write(line);
    if (!hasContent) return {};
    block.holes++;
    // Names are UTF-8 in the line, and what follows the checksum is ASCII, so the place is counted from the end.
    const end = block.fill - (line.length - line.lastIndexOf(HOLE));
    if (end < at) throw new TypeError("the checksum has no place");
    return { hole: { block, at: end } };
  }

  complete({ hole }: TarSplitFileSlot, crc64: Uint8Array): void {
    if (hole === undefined) return;
    const { block, at } = hole;
    block.bytes.write(Buffer.from(crc64).toString("base64"), at, HOLE.length, "latin1");
    block.holes--;
  }

  /** Gives what is ready to the compressor and waits until it has taken it. */
  async drain(): Promise<void> {
    while (this.full) await this.#compress();
  }

  /** Writes the rest. Every checksum must have come. */
  async finish(): Promise<void> {
    if (this.#blocks.some(({ holes }) => holes > 0)) throw new TypeError("a checksum is missing");
    while (this.#blocks.length > 0) await this.#compress();
    this.#gzip.end();
    await this.#ended;
    this.#checkFailure();
  }

  async #compress(): Promise<void> {
    this.#checkFailure();
    const block = this.#blocks.shift();
    if (block === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const text = block.bytes.subarray(0, block.fill);
      this.#gzip.write(text, (error) => (error ? reject(error) : resolve()));
    });
    if (block.bytes.length === BLOCK) this.#spare = block.bytes;
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #write(line: string): { block: Block; at: number } {
    const size = Buffer.byteLength(line);
    let block = this.#blocks.at(-1);
    if (block === undefined || block.bytes.length - block.fill < size) {
      const bytes =
        size <= BLOCK ? (this.#spare ?? Buffer.allocUnsafeSlow(BLOCK)) : Buffer.allocUnsafeSlow(size);
      if (bytes === this.#spare) this.#spare = undefined;
      block = { bytes, fill: 0, holes: 0 };
      this.#blocks.push(block);
    }
    const at = block.fill;
    block.fill += block.bytes.write(line, at);
    return { block, at };
  }

  [Symbol.dispose](): void {
    this.#gzip.destroy();
  }
}
