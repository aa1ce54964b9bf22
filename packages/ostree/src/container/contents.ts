import type { Content, ContentSource, TallyBuilder } from "@bootc-store/backend";
import type { ByteString } from "@bootc-store/core";
import { type Dir, Hasher } from "@bootc-store/linux";
import type { ExternalContent, FileContent } from "@bootc-store/tree";

import { ByteStore, IN_MEMORY } from "../commit/byte-store.ts";
import type { KnownContents } from "../commit/known-contents.ts";
import { type Checksum, isChecksum } from "../format/checksum.ts";
import { contentPrefix, type FileInfo } from "../format/file-info.ts";
import { readContent } from "../objects/content.ts";
import type { WrittenFile } from "../objects/written-file.ts";
import { removeObject } from "../objects/remove.ts";
import type { Transaction } from "../repo/transaction.ts";

/**
 * The contents of an image's layers. Those that are files of their own stay where they are until it is known with which
 * label they are stored; those that come with the stream are stored at once, by workers where they are small, and cloned should the label be another.
 */
export class LayerContents implements ContentSource {
  readonly #transaction: Transaction;
  readonly #known: KnownContents;
  readonly #tally: TallyBuilder;
  readonly #bytes: ByteStore;
  readonly #files: { readonly dir: Dir; readonly name: ByteString }[] = [];
  /** Objects that were made before it was known whether they are wanted. */
  readonly #early = new Set<Checksum>();

  constructor(
    transaction: Transaction,
    known: KnownContents,
    tally: TallyBuilder,
    signal: AbortSignal | undefined,
  ) {
    this.#bytes = new ByteStore(transaction, signal);
    this.#transaction = transaction;
    this.#known = known;
    this.#tally = tally;
  }

  /** What stands for a content in the tree of its layer. `info` is what the layer says of the file. */
  async take(content: Content, info: FileInfo): Promise<FileContent> {
    if (content.file !== undefined) {
      this.#files.push(content.file);
      return { kind: "external", key: `file:${this.#files.length - 1}` };
    }
    const checksum = await this.#store(content, info, ({ how, size, checksum: key }) => {
      if (how !== "reused") this.#early.add(key);
      this.#tally.add(how === "reused" ? "reused" : "copied", size);
    });
    this.#known.set(checksum, info, checksum);
    return { kind: "external", key: checksum };
  }

  async #store(content: Content, info: FileInfo, done: (written: WrittenFile) => void): Promise<Checksum> {
    if (content.size <= IN_MEMORY) {
      const pieces: Uint8Array[] = [];
      for await (const piece of content.read()) pieces.push(Buffer.from(piece));
      return await this.#bytes.add(Buffer.concat(pieces), info, done);
    }
    using temporary = this.#transaction.tempFile();
    const hasher = new Hasher({ ostree: { algorithm: "sha256", prefix: contentPrefix(info) } });
    for await (const piece of content.read()) {
      temporary.file.write(piece);
      hasher.update(piece);
    }
    const written = await this.#transaction.adopt(temporary, info, hasher.finish().ostree, hasher.size);
    done(written);
    return written.checksum;
  }

  /** What was taken is stored, and can be opened. */
  async flush(): Promise<void> {
    await this.#bytes.flush();
  }

  /** No thread is at work for it any more. */
  async settle(): Promise<void> {
    await this.#bytes.settle();
  }

  openContent({ key }: ExternalContent, size: number): Content {
    if (!isChecksum(key)) {
      const file = this.#files[Number(key.slice("file:".length))];
      if (file === undefined) throw new RangeError(`no content ${key}`);
      return { size, file, read: () => readWhole(file.dir, file.name) };
    }
    const found = this.#transaction.reader.findFile(key);
    if (found !== undefined) {
      const { dir, name } = found;
      return { size: found.stat.size, file: { dir, name }, read: () => readWhole(dir, name) };
    }
    // An object of a parent repository of another mode.
    const { reader } = this.#transaction;
    return {
      size,
      async *read() {
        using object = reader.openFile(key);
        yield* readContent(object, `${key}.file`);
      },
    };
  }

  /** All bytes of a content that is not large. */
  async bytes(content: FileContent, size: number): Promise<Uint8Array> {
    if (content.kind === "inline") return content.bytes;
    if (content.kind === "sparse") return new Uint8Array(size);
    const pieces: Uint8Array[] = [];
    for await (const piece of this.openContent(content, size).read()) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  }

  /**
   * Removes what was stored early and is in none of the trees: the unlabelled form of labelled files, and files that were
   * left out. Only out of the staging directory, where nobody else has seen it.
   */
  removeUnwanted(wanted: (checksum: Checksum) => boolean, staging: Dir): void {
    const { mode } = this.#transaction.repo;
    for (const checksum of this.#early) {
      if (!wanted(checksum)) removeObject(staging, checksum, "file", mode);
    }
  }
}

async function* readWhole(dir: Dir, name: ByteString): AsyncGenerator<Uint8Array> {
  using file = dir.openFile(name);
  for (let at = 0; ;) {
    const buffer = Buffer.allocUnsafe(1 << 18);
    const count = file.readFull(buffer, at);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    at += count;
  }
}
