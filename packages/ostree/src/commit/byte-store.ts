import { defineTask, throwIfCancelled } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import { sha256 } from "../format/checksum.ts";
import { contentPrefix, type FileInfo } from "../format/file-info.ts";
import type { WritePlaces } from "../objects/places.ts";
import { ObjectWriter } from "../objects/writer.ts";
import type { WrittenFile } from "../objects/written-file.ts";
import type { Transaction } from "../repo/transaction.ts";
import { infoOf, type PlainInfo, plainInfo } from "./batch.ts";

interface StoredBytes {
  readonly checksum: Checksum;
  readonly info: PlainInfo;
  readonly size: number;
}

interface Added extends StoredBytes {
  readonly done: ((written: WrittenFile) => void) | undefined;
}

interface StoreBytesInput {
  readonly places: WritePlaces;
  /** The contents one behind the other. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly items: readonly StoredBytes[];
}

/** Stores contents whose checksums are known, in the order given. */
export const storeBytes = defineTask(
  import.meta.url,
  "storeBytes",
  ({ places, data, items }: StoreBytesInput, { signal }): WrittenFile[] => {
    using writer = new ObjectWriter(places);
    let at = 0;
    return items.map(({ checksum, info, size }) => {
      throwIfCancelled(signal);
      const bytes = data.subarray(at, at + size);
      at += size;
      return writer.writeKnown(bytes, infoOf(info), checksum);
    });
  },
);

/** Contents up to this size are taken into memory; it must be no more than a batch. */
export const IN_MEMORY = 1 << 20;
const BATCH_BYTES = 4 << 20;
const BATCH_FILES = 256;

/**
 * Stores contents that come one after the other, as a stream gives them, on workers. Their checksums are known at once; that
 * they are there only after {@link flush}.
 */
export class ByteStore {
  readonly #transaction: Transaction;
  readonly #signal: AbortSignal | undefined;
  readonly #running: Promise<void>[] = [];
  #data: Uint8Array<ArrayBuffer> | undefined;
  #used = 0;
  #items: Added[] = [];

  constructor(transaction: Transaction, signal: AbortSignal | undefined) {
    this.#transaction = transaction;
    this.#signal = signal;
  }

  /** Takes a content, which may be used again afterwards. Waits where many are on their way. */
  async add(bytes: Uint8Array, info: FileInfo, done?: (written: WrittenFile) => void): Promise<Checksum> {
    const checksum = sha256(contentPrefix(info), bytes);
    if (this.#used + bytes.length > BATCH_BYTES || this.#items.length >= BATCH_FILES) await this.#send();
    this.#data ??= new Uint8Array(BATCH_BYTES);
    this.#data.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#items.push({ checksum, info: plainInfo(info), size: bytes.length, done });
    return checksum;
  }

  /** All that was added is stored. */
  async flush(): Promise<void> {
    await this.#send();
    for (const running of this.#running.splice(0)) await running;
  }

  /** Nothing uses the transaction's descriptors any more, however it ended. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#running.splice(0));
  }

  async #send(): Promise<void> {
    const items = this.#items;
    if (items.length === 0) return;
    const data = (this.#data as Uint8Array<ArrayBuffer>).slice(0, this.#used);
    this.#items = [];
    this.#used = 0;
    const running = this.#run(data, items);
    running.catch(() => {});
    this.#running.push(running);
    const many = this.#running.length > Math.max(1, this.#transaction.repo.pool.size);
    if (many) await this.#running.shift();
  }

  async #run(data: Uint8Array<ArrayBuffer>, items: readonly Added[]): Promise<void> {
    const written = await this.#transaction.repo.pool.run(
      storeBytes,
      {
        places: this.#transaction.places,
        data,
        items: items.map(({ checksum, info, size }) => ({ checksum, info, size })),
      },
      { transfer: [data.buffer], ...(this.#signal === undefined ? {} : { signal: this.#signal }) },
    );
    for (const [at, { done }] of items.entries()) {
      const counted = this.#transaction.count(written[at] as WrittenFile);
      done?.(counted);
    }
  }
}
