import type { Content, ContentSource, SourcedTree, TallyBuilder } from "@bootc-store/backend";
import { displayName, throwIfAborted } from "@bootc-store/core";
import { Hasher } from "@bootc-store/linux";
import type { Directory, ExternalContent, File as TreeFile, Leaf, Metadata } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { contentPrefix, type FileInfo, SYMLINK_MODE } from "../format/file-info.ts";
import type { CloneChoice, WrittenFile } from "../objects/written-file.ts";
import type { Transaction } from "../repo/transaction.ts";
import { plainInfo, storeContents, type StoredContent, wrongSize } from "./batch.ts";
import type { KnownContents } from "./known-contents.ts";
import { MutableTree } from "./mutable-tree.ts";

/** Files and bytes that a worker gets at once. */
const BATCH_FILES = 256;
const BATCH_BYTES = 64 << 20;

export interface StoreTreeOptions {
  readonly clone?: CloneChoice;
  readonly signal?: AbortSignal;
  /** Contents that need not be stored again; those that are stored are added. */
  readonly known?: KnownContents;
}

/**
 * Stores the contents and the directories of a tree. Hard links are stored once. Throws `ostree/file-type-unsupported` for
 * devices, fifos and sockets.
 */
export async function storeTree(
  transaction: Transaction,
  source: SourcedTree,
  tally: TallyBuilder,
  options: StoreTreeOptions = {},
): Promise<MutableTree> {
  return await new TreeStore(transaction, source.contents, tally, options).store(source.tree.root);
}

class TreeStore {
  readonly #transaction: Transaction;
  readonly #contents: ContentSource;
  readonly #tally: TallyBuilder;
  readonly #clone: CloneChoice;
  readonly #signal: AbortSignal | undefined;
  readonly #contentsKnown: KnownContents | undefined;
  readonly #known = new Map<Leaf, Checksum>();
  /** Files that lie somewhere on disk, and what is to be done when they are stored. */
  #batch: { item: StoredContent; leaf: Leaf }[] = [];
  #batchBytes = 0;
  readonly #running: Promise<void>[] = [];

  constructor(
    transaction: Transaction,
    contents: ContentSource,
    tally: TallyBuilder,
    options: StoreTreeOptions,
  ) {
    this.#transaction = transaction;
    this.#contents = contents;
    this.#tally = tally;
    this.#clone = options.clone ?? "allow";
    this.#signal = options.signal;
    this.#contentsKnown = options.known;
  }

  async store(root: Directory): Promise<MutableTree> {
    try {
      await this.#storeContents(root, "");
      await this.#flush();
      for (const running of this.#running) await running;
    } finally {
      // Workers use descriptors of the transaction, so none may be left behind.
      await Promise.allSettled(this.#running);
    }
    return this.#directory(root);
  }

  /** All contents, so that afterwards every leaf has a checksum. */
  async #storeContents(directory: Directory, path: string): Promise<void> {
    throwIfAborted(this.#signal);
    for (const [name, inode] of directory) {
      if (inode.kind === "directory") await this.#storeContents(inode, `${path}/${name}`);
      else if (!this.#known.has(inode)) {
        this.#known.set(inode, "");
        await this.#storeLeaf(inode, () => displayName(`${path}/${name}` as typeof name));
      }
    }
  }

  async #storeLeaf(leaf: Leaf, path: () => string): Promise<void> {
    if (leaf.kind === "symlink") {
      const { checksum } = this.#transaction.writeSymlink({
        ...infoOf(leaf.metadata),
        mode: SYMLINK_MODE,
        target: leaf.target,
      });
      this.#known.set(leaf, checksum);
    } else if (leaf.kind === "file") await this.#storeFile(leaf);
    else {
      throw ostreeErrors.error("file-type-unsupported", `Not a regular file or symlink: ${path()}`, {
        context: { path: path(), type: leaf.kind },
      });
    }
  }

  async #storeFile(file: TreeFile): Promise<void> {
    const { content, size } = file;
    const info = infoOf(file.metadata);
    if (content.kind === "inline")
      return this.#done(file, await this.#transaction.writeFile(content.bytes, info));
    if (content.kind === "sparse") {
      using temporary = this.#transaction.tempFile();
      temporary.file.truncate(size);
      return this.#done(file, await this.#transaction.writeFile(temporary.file, info, "allow"));
    }
    const known = this.#contentsKnown?.get(content.key, info);
    if (known !== undefined) {
      this.#known.set(file, known);
      return;
    }
    const found = this.#open(content, size);
    if (found.file === undefined) return this.#done(file, await this.#receive(found, info));
    const { dir, name } = found.file;
    this.#batch.push({ item: { dir: dir.fd, name, size, info: plainInfo(info) }, leaf: file });
    this.#batchBytes += size;
    if (this.#batch.length >= BATCH_FILES || this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  #open(content: ExternalContent, size: number): Content {
    const found = this.#contents.openContent(content, size);
    if (found.size !== size) throw wrongSize(content.key, size, found.size);
    return found;
  }

  /** A content that comes as a stream. */
  async #receive(content: Content, info: FileInfo): Promise<WrittenFile> {
    using temporary = this.#transaction.tempFile();
    const hasher = new Hasher({ ostree: { algorithm: "sha256", prefix: contentPrefix(info) } });
    for await (const piece of content.read()) {
      throwIfAborted(this.#signal);
      if (hasher.size + piece.length > content.size)
        throw wrongSize("content", content.size, hasher.size + piece.length);
      temporary.file.write(piece);
      hasher.update(piece);
    }
    if (hasher.size !== content.size) throw wrongSize("content", content.size, hasher.size);
    return await this.#transaction.adopt(temporary, info, hasher.finish().ostree, content.size);
  }

  /** Gives a batch to a worker; waits if many are under way. */
  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchBytes = 0;
    const running = this.#run(batch);
    running.catch(() => {});
    this.#running.push(running);
    const behind = this.#running.length - 2 * Math.max(1, this.#transaction.repo.pool.size);
    if (behind >= 0) await this.#running[behind];
  }

  async #run(batch: readonly { item: StoredContent; leaf: Leaf }[]): Promise<void> {
    const results = await this.#transaction.repo.pool.run(
      storeContents,
      { places: this.#transaction.places, clone: this.#clone, items: batch.map(({ item }) => item) },
      this.#signal === undefined ? {} : { signal: this.#signal },
    );
    for (const [at, { leaf }] of batch.entries()) {
      this.#done(leaf, this.#transaction.count(results[at] as WrittenFile));
    }
  }

  #done(leaf: Leaf, written: WrittenFile): void {
    this.#known.set(leaf, written.checksum);
    if (leaf.kind === "file" && leaf.content.kind === "external")
      this.#contentsKnown?.set(leaf.content.key, infoOf(leaf.metadata), written.checksum);
    this.#tally.add(written.how === "adopted" ? "linked" : written.how, written.size);
  }

  #directory(directory: Directory): MutableTree {
    const made = new MutableTree();
    made.meta = this.#transaction.writeDirmeta(infoOf(directory.metadata));
    for (const [name, inode] of directory) {
      if (inode.kind === "directory") made.putDir(name, this.#directory(inode));
      else made.setFile(name, this.#known.get(inode) as Checksum);
    }
    return made;
  }
}

function infoOf({ uid, gid, mode, xattrs }: Metadata): FileInfo {
  return { uid, gid, mode, xattrs };
}
