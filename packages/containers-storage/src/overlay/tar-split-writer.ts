import { createGzip, type Gzip } from "node:zlib";

import type { ByteString } from "@bootc-store/core";
import type { File } from "@bootc-store/linux";

import { printTarSplit } from "../format/tar-split.ts";

/** A file whose checksum is not known yet. */
export interface TarSplitFileSlot {
  readonly name: ByteString;
  readonly size: number;
  crc64: Uint8Array | undefined;
}

const FULL = 1 << 20;
/** Records that are written and not yet let go of. */
const DONE_KEPT = 1024;

/**
 * Writes a tar-split while the tar is being read. Records come in the tar's order; the checksums of files may come later,
 * and what follows a file waits for its checksum.
 */
export class TarSplitWriter implements Disposable {
  readonly #gzip: Gzip;
  readonly #pending: (string | TarSplitFileSlot)[] = [];
  #next = 0;
  #position = 0;
  readonly #positions = new Map<TarSplitFileSlot, number>();
  #lines: string[] = [];
  #linesSize = 0;
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
    return this.#linesSize >= FULL;
  }

  segment(bytes: Uint8Array): void {
    this.#pending.push(printTarSplit({ type: "segment", bytes }, this.#position++));
    this.#advance();
  }

  file(name: ByteString, size: number): TarSplitFileSlot {
    const slot: TarSplitFileSlot = { name, size, crc64: undefined };
    this.#positions.set(slot, this.#position++);
    this.#pending.push(slot);
    this.#advance();
    return slot;
  }

  complete(slot: TarSplitFileSlot, crc64: Uint8Array): void {
    if (slot.size > 0) slot.crc64 = crc64;
    this.#advance();
  }

  /** Gives what is ready to the compressor and waits until it has taken it. */
  async drain(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#lines.length === 0) return;
    const text = Buffer.from(this.#lines.join(""), "utf8");
    this.#lines = [];
    this.#linesSize = 0;
    await new Promise<void>((resolve, reject) => {
      this.#gzip.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Writes the rest. Every checksum must have come. */
  async finish(): Promise<void> {
    if (this.#next < this.#pending.length) throw new TypeError("a checksum is missing");
    await this.drain();
    this.#gzip.end();
    await this.#ended;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #advance(): void {
    for (; this.#next < this.#pending.length; this.#next++) {
      const record = this.#pending[this.#next] as string | TarSplitFileSlot;
      if (typeof record === "string") this.#line(record);
      else {
        if (record.size > 0 && record.crc64 === undefined) return this.#forget(DONE_KEPT);
        const { name, size, crc64 } = record;
        const file = { type: "file", name, size, ...(crc64 === undefined ? {} : { crc64 }) } as const;
        this.#line(printTarSplit(file, this.#positions.get(record) as number));
        this.#positions.delete(record);
      }
    }
    this.#forget(0);
  }

  /** Lets go of what was written, once it is more than `kept` records: while a tar streams, something is always pending. */
  #forget(kept: number): void {
    if (this.#next <= kept) return;
    this.#pending.splice(0, this.#next);
    this.#next = 0;
  }

  #line(text: string): void {
    this.#lines.push(text);
    this.#linesSize += text.length;
  }

  [Symbol.dispose](): void {
    this.#gzip.destroy();
  }
}
