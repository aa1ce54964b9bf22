// A layer's tar applied to a directory: this thread reads, hashes and splits it; workers make the files, a batch at a
// time, and say the checksums that the tar-split wants.

import { createHash, type Hash } from "node:crypto";

import { type ContentTally, type Layer, type LayerSegment, TallyBuilder } from "@bootc-store/backend";
import {
  type ByteString,
  type Digest,
  type DigestAlgorithm,
  digestFromHex,
  displayName,
  type OperationOptions,
  throwIfAborted,
} from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";
import { type TarEntry, TarParser } from "@bootc-store/oci";

import { containersStorageErrors } from "../errors.ts";
import { Crc64, type Crc64State } from "../format/crc64.ts";
import { cleanPath } from "../format/tar-split.ts";
import {
  type ApplyBatch,
  type ApplyEntry,
  type CloneFrom,
  type EntryTimes,
  plainEntry,
} from "./apply-entry.ts";
import { applyEntries } from "./apply-task.ts";
import type { TarSplitFileSlot, TarSplitWriter } from "./tar-split-writer.ts";

const BATCH_BYTES = 1 << 20;
const BATCH_ENTRIES = 256;
/** Files below this are copied: sharing blocks costs more than writing them. */
const CLONE_FROM = 16 << 10;
const TRAILER_SEGMENT = 1 << 20;

export interface ApplyOptions extends OperationOptions {
  readonly pool: Pool;
  /** `never`: blocks are not shared even where that is offered. */
  readonly clone?: "require" | "allow" | "never";
  /** `any`: the layer's own diff id says nothing, and the one that is found counts. */
  readonly diffId?: "any";
}

/** What a layer turned out to be. */
export interface AppliedLayer {
  readonly diffId: Digest;
  /** Bytes of the tar. */
  readonly size: number;
  /** Owners in the headers, ascending. */
  readonly uidset: readonly number[];
  readonly gidset: readonly number[];
  readonly content: ContentTally;
}

/**
 * Applies a layer to the empty directory `diff` and writes its tar-split to `split`. Checks that the bytes have the
 * diff id that the layer says; nothing is removed if they have not.
 */
export async function applyLayer(
  layer: Layer,
  diff: Dir,
  split: TarSplitWriter,
  options: ApplyOptions,
): Promise<AppliedLayer> {
  const applier = new Applier(diff, split, layer.diffId.algorithm, options);
  const { signal } = options;
  try {
    // Everything is copied, and the diff id is compared below.
    const reading = { reuse: true, hashed: true, ...(signal === undefined ? {} : { signal }) };
    if (layer.tar === undefined) {
      for await (const segment of layer.segments(reading)) {
        throwIfAborted(signal);
        await applier.take(segment);
      }
    } else {
      for await (const bytes of layer.tar(reading)) {
        throwIfAborted(signal);
        await applier.push(bytes);
      }
    }
    const applied = await applier.finish(layer.diffId.algorithm);
    if (options.diffId === "any") return applied;
    if (applied.diffId.hex === layer.diffId.hex && (layer.size ?? applied.size) === applied.size)
      return applied;
    throw containersStorageErrors.error(
      "layer-digest-mismatch",
      `the layer ${layer.diffId.hex} is ${applied.diffId.hex} of ${applied.size} bytes`,
      { context: { digest: layer.diffId.hex } },
    );
  } finally {
    await applier.settle();
  }
}

interface Batch {
  entries: ApplyEntry[];
  data: Uint8Array<ArrayBuffer>;
  fill: number;
  /** For each piece of a file, what its checksum ends; nothing if the file goes on in the next batch. */
  pieces: (TarSplitFileSlot | undefined)[];
}

class Applier {
  readonly #diff: Dir;
  readonly #split: TarSplitWriter;
  readonly #options: ApplyOptions;
  readonly #parser: TarParser;
  readonly #hash: Hash;
  readonly #tally = new TallyBuilder();
  readonly #uids = new Set<number>();
  readonly #gids = new Set<number>();
  readonly #paths = new Set<ByteString>();
  readonly #directories: { readonly path: ByteString; readonly times: EntryTimes }[] = [];
  #size = 0;
  /** Bytes of the tar that belong to no content, since the last content ended; the memory is used again and again. */
  #raw = new Uint8Array(4096);
  #rawSize = 0;
  /** Whether a global header is being read, whose content is kept as it is. */
  #rawContent = false;
  #batch: Batch = emptyBatch();
  readonly #ready: Batch[] = [];
  #file: OpenFile | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Memory of batches that are done with. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  /** The checksum of a file that goes on in the next batch. */
  #carry: Crc64State | undefined;

  constructor(diff: Dir, split: TarSplitWriter, algorithm: string, options: ApplyOptions) {
    this.#diff = diff;
    this.#split = split;
    this.#options = options;
    this.#hash = createHash(algorithm);
    this.#parser = new TarParser({
      inline: (bytes) => this.#inline(bytes),
      entry: (entry, header) => this.#entry(entry, header),
      data: (bytes) => this.#content(bytes),
      entryEnd: () => this.#entryEnd(),
    });
  }

  async take(segment: LayerSegment): Promise<void> {
    if (segment.kind === "inline") return await this.push(segment.bytes);
    const { content } = segment;
    const { file, size } = content;
    const wanted = file !== undefined && this.#options.clone !== "never" && size >= CLONE_FROM;
    // Its header came before it, in a segment of its own.
    const open = this.#file;
    if (wanted && open?.size === size && open.offset === 0)
      open.clone = { dir: file.dir.fd, name: file.name, size };
    let read = 0;
    for await (const bytes of content.read()) {
      read += bytes.length;
      if (read > size) break;
      await this.push(bytes);
    }
    if (read !== size) {
      throw containersStorageErrors.error(
        "layer-content-mismatch",
        `a content of ${size} bytes has ${read > size ? "more" : read}`,
      );
    }
    // The source may close the directory when it goes on.
    if (wanted) await this.#drain(true);
  }

  async finish(algorithm: DigestAlgorithm): Promise<AppliedLayer> {
    this.#parser.end();
    this.#flushRaw();
    for (const { path, times } of this.#directories) {
      this.#batch.entries.push({ kind: "times", path, times });
      if (this.#batch.entries.length >= BATCH_ENTRIES) this.#close();
    }
    await this.#drain(true);
    await this.#split.finish();
    return {
      diffId: digestFromHex(algorithm, this.#hash.digest("hex")),
      size: this.#size,
      uidset: [...this.#uids].sort((a, b) => a - b),
      gidset: [...this.#gids].sort((a, b) => a - b),
      content: this.#tally.tally(),
    };
  }

  /** Waits for what runs, so that nobody works in a directory that is being removed. */
  async settle(): Promise<void> {
    await this.#running.catch(() => undefined);
  }

  async push(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    this.#hash.update(bytes);
    this.#parser.push(bytes);
    if (this.#ready.length > 0) await this.#drain(false);
    if (this.#split.full) await this.#split.drain();
  }

  #inline(bytes: Uint8Array): void {
    this.#keep(bytes);
    if (this.#rawSize >= TRAILER_SEGMENT) this.#flushRaw();
  }

  #keep(bytes: Uint8Array): void {
    const size = this.#rawSize + bytes.length;
    if (size > this.#raw.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(this.#raw.subarray(0, this.#rawSize));
      this.#raw = larger;
    }
    this.#raw.set(bytes, this.#rawSize);
    this.#rawSize = size;
  }

  #flushRaw(): void {
    if (this.#rawSize === 0) return;
    this.#split.segment(this.#raw.subarray(0, this.#rawSize));
    this.#rawSize = 0;
  }

  #entry(entry: TarEntry, header: Uint8Array): void {
    this.#keep(header);
    if (entry.type === "global") {
      this.#rawContent = true;
      return;
    }
    this.#flushRaw();
    const path = cleanPath(entry.name);
    if (this.#paths.has(path)) {
      throw containersStorageErrors.error(
        "layer-entry-invalid",
        `"${displayName(path)}" occurs twice in one layer, which no tar-split can hold`,
        { context: { path } },
      );
    }
    this.#paths.add(path);
    const apply = plainEntry(entry, path);
    const isMark = apply?.kind === "whiteout" || apply?.kind === "opaque";
    if (!isMark) {
      this.#uids.add(entry.uid);
      this.#gids.add(entry.gid);
    }
    const slot = this.#split.file(entry.name, entry.storedSize);
    if (apply?.kind === "file") {
      const { storedSize: size } = entry;
      this.#file = { entry: apply, slot, size, offset: 0, at: this.#batch.fill, clone: undefined };
    } else if (entry.storedSize > 0) {
      // A whiteout with content: it is in the tar, and nowhere in the layer's directory, so it could not be given back.
      throw containersStorageErrors.error(
        "layer-entry-unsupported",
        `"${displayName(path)}" is a whiteout, and has content`,
        { context: { path } },
      );
    } else if (apply !== undefined) {
      if (apply.kind === "directory") this.#directories.push({ path, times: apply.times });
      this.#add(apply);
    }
  }

  #content(bytes: Uint8Array): void {
    if (this.#rawContent) return this.#inline(bytes);
    const file = this.#file as OpenFile;
    let at = 0;
    while (at < bytes.length) {
      if (this.#batch.fill === BATCH_BYTES) {
        this.#piece(file, false);
        this.#close();
        file.at = 0;
      }
      const size = Math.min(bytes.length - at, BATCH_BYTES - this.#batch.fill);
      this.#batch.data.set(bytes.subarray(at, at + size), this.#batch.fill);
      this.#batch.fill += size;
      at += size;
    }
  }

  #entryEnd(): void {
    this.#rawContent = false;
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#piece(file, true);
  }

  /** Puts the part of a file that is in the batch into its list. */
  #piece(file: OpenFile, last: boolean): void {
    const length = this.#batch.fill - file.at;
    const { at, offset, clone } = file;
    file.offset += length;
    this.#batch.pieces.push(last ? file.slot : undefined);
    this.#add({
      ...file.entry,
      piece: { at, length, offset, last, ...(clone === undefined ? {} : { clone }) },
    });
  }

  #add(entry: ApplyEntry): void {
    this.#batch.entries.push(entry);
    if (this.#batch.entries.length >= BATCH_ENTRIES && this.#file === undefined) this.#close();
  }

  #close(): void {
    this.#ready.push(this.#batch);
    this.#batch = emptyBatch(this.#spare.pop());
  }

  /** Gives full batches to a worker, one at a time; with `all` also the one that is not full, and waits for it. */
  async #drain(all: boolean): Promise<void> {
    if (all && this.#batch.entries.length > 0) this.#close();
    for (let batch = this.#ready.shift(); batch !== undefined; batch = this.#ready.shift()) {
      await this.#running;
      this.#running = this.#run(batch);
      // Whoever waits next gets the error; until then it must not count as unhandled.
      this.#running.catch(() => undefined);
    }
    if (all) await this.#running;
  }

  async #run(batch: Batch): Promise<void> {
    const { signal, pool } = this.#options;
    const input: ApplyBatch = {
      dir: this.#diff.fd,
      label: this.#diff.label,
      entries: batch.entries,
      data: batch.data,
      ...(this.#carry === undefined ? {} : { carry: this.#carry }),
    };
    const result = await pool.run(applyEntries, input, {
      transfer: [batch.data.buffer],
      ...(signal === undefined ? {} : { signal }),
    });
    this.#spare.push(result.data);
    this.#carry = undefined;
    for (const [index, slot] of batch.pieces.entries()) {
      const crc = result.crcs[index] as Crc64State;
      if (slot === undefined) this.#carry = crc;
      else this.#split.complete(slot, new Crc64(crc).digest());
    }
    this.#tally.add("cloned", result.cloned.bytes, result.cloned.files);
    this.#tally.add("copied", result.copied.bytes, result.copied.files);
  }
}

interface OpenFile {
  readonly entry: Extract<ApplyEntry, { kind: "file" }>;
  readonly slot: TarSplitFileSlot;
  readonly size: number;
  clone: CloneFrom | undefined;
  /** Where in the file the piece in the batch begins, and where in the batch. */
  offset: number;
  at: number;
}

function emptyBatch(data = new Uint8Array(BATCH_BYTES)): Batch {
  return { entries: [], data, fill: 0, pieces: [] };
}
