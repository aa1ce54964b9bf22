import { type ByteString, crashPoint, Lifetime, throwIfAborted } from "@bootc-store/core";
import { type Dir, type File, type SyncPolicy, syncDescriptor, type TempFile } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import { type Commit, encodeCommit } from "../format/commit.ts";
import { type Dirtree, encodeDirtree } from "../format/dirtree.ts";
import { encodeDirmeta, type FileInfo } from "../format/file-info.ts";
import type { HashedType } from "../format/object-type.ts";
import { type Dict, gvariant } from "../gvariant/index.ts";
import { removeObject } from "../objects/remove.ts";
import { ObjectReader } from "../objects/reader.ts";
import type { WritePlaces } from "../objects/places.ts";
import { ObjectWriter } from "../objects/writer.ts";
import type { CloneChoice, WrittenFile } from "../objects/written-file.ts";
import { FreeSpace } from "./free-space.ts";
import type { Held } from "./lock.ts";
import { HEADS, type RefOwner } from "./refs.ts";
import type { Repo } from "./repo.ts";
import { moveObject, moveShards } from "./move-task.ts";
import { cleanTmp, openStaging, type Staging } from "./staging.ts";

export interface TransactionOptions {
  /** False overrides the config: nothing is synced, for speed, and a crash may lose what was written. */
  readonly fsync?: boolean;
  /** Sync each object by itself. Default: the config's. */
  readonly perObjectFsync?: boolean;
  readonly signal?: AbortSignal;
}

/** What a transaction has written. Totals count what was given, whether it was there before or not. */
export interface TransactionStats {
  readonly metadataTotal: number;
  readonly metadataWritten: number;
  readonly contentTotal: number;
  readonly contentWritten: number;
  /** Contents that were known by their device and inode and not read. */
  readonly contentCacheHits: number;
  readonly contentBytesWritten: number;
}

const DETACHED = gvariant("a{sv}");

/**
 * Objects and refs that come into the repository together. Objects go to a staging directory first; {@link commit} syncs
 * the file system, moves contents and trees into `objects`, then the commits, then sets the refs. So at every moment what
 * a ref or a commit refers to is there, after a crash too. Dispose of it without a commit to give it up.
 */
export class Transaction implements AsyncDisposable {
  readonly repo: Repo;
  readonly #held: Held;
  readonly #tmp: Dir;
  readonly #staging: Staging | undefined;
  readonly #sync: boolean;
  readonly #space: FreeSpace;
  readonly #lifetime = new Lifetime("transaction");
  readonly #signal: AbortSignal | undefined;
  readonly #refs: { owner: RefOwner; ref: string; checksum: Checksum | undefined }[] = [];
  readonly #stats = {
    metadataTotal: 0,
    metadataWritten: 0,
    contentTotal: 0,
    contentWritten: 0,
    contentCacheHits: 0,
    contentBytesWritten: 0,
  };
  /** For workers: where to look and where to write. */
  readonly places: WritePlaces;
  readonly #writer: ObjectWriter;
  #reader: ObjectReader | undefined;

  private constructor(
    repo: Repo,
    held: Held,
    tmp: Dir,
    staging: Staging | undefined,
    options: TransactionOptions,
  ) {
    this.repo = repo;
    this.#held = held;
    this.#tmp = tmp;
    this.#staging = staging;
    this.#signal = options.signal;
    this.#sync = options.fsync ?? repo.config.fsync;
    const own = options.perObjectFsync ?? repo.config.perObjectFsync;
    using probe = tmp.tempFile();
    const { uid } = probe.file.stat();
    this.places = {
      ...repo.places(staging?.dir),
      tmp: tmp.fd,
      target: staging?.dir.fd ?? repo.objects.fd,
      sync: this.#sync && own ? "data-and-directories" : "none",
      zlibLevel: repo.config.zlibLevel,
      uid,
    };
    this.#writer = new ObjectWriter(this.places);
    // Root may use the blocks that are kept for root.
    this.#space = new FreeSpace(repo.config.minFreeSpace, repo.objects.info(), uid === 0);
  }

  /** @internal See `Repo.begin`. */
  static async begin(repo: Repo, options: TransactionOptions): Promise<Transaction> {
    const held = await repo.lock.take(
      "shared",
      options.signal === undefined ? {} : { signal: options.signal },
    );
    let tmp: Dir | undefined;
    let staging: Staging | undefined;
    try {
      repo.dir.ensureDir("tmp" as ByteString, { mode: 0o775 });
      tmp = repo.dir.openDir("tmp" as ByteString);
      const fsync = options.fsync ?? repo.config.fsync;
      const own = options.perObjectFsync ?? repo.config.perObjectFsync;
      // Without the one sync at the end there is nothing to wait for in a staging directory.
      if (fsync && !own) staging = openStaging(tmp, repo.bootId);
      return new Transaction(repo, held, tmp, staging, options);
    } catch (error) {
      staging?.remove();
      tmp?.[Symbol.dispose]();
      held[Symbol.dispose]();
      throw error;
    }
  }

  /** Looks up objects of the repository and of this transaction. */
  get reader(): ObjectReader {
    return (this.#reader ??= new ObjectReader(this.places));
  }

  get stats(): TransactionStats {
    return { ...this.#stats };
  }

  /** A temporary file on the repository's file system. */
  tempFile(): TempFile {
    return this.#tmp.tempFile();
  }

  writeMetadata(type: HashedType, bytes: Uint8Array): Checksum {
    this.#lifetime.assertOpen();
    const { checksum, created } = this.#writer.writeMetadata(type, bytes);
    this.#stats.metadataTotal++;
    if (created) this.#stats.metadataWritten++;
    return checksum;
  }

  writeDirtree(tree: Dirtree): Checksum {
    return this.writeMetadata("dirtree", encodeDirtree(tree));
  }

  writeDirmeta(info: FileInfo): Checksum {
    return this.writeMetadata("dirmeta", encodeDirmeta(info));
  }

  /** A commit object. What it refers to must be there or be written in this transaction. Its tombstone goes. */
  writeCommit(commit: Commit): Checksum {
    const checksum = this.writeMetadata("commit", encodeCommit(commit));
    removeObject(this.repo.objects, checksum, "tombstone-commit", this.repo.mode);
    return checksum;
  }

  /** What belongs to a commit without being part of it, instead of what was there. */
  writeDetachedMetadata(commit: Checksum, metadata: Dict): void {
    this.#lifetime.assertOpen();
    this.#writer.putMetadata("commitmeta", commit, DETACHED.encode(metadata), "replace");
  }

  /** Detached metadata as bytes, which are checked. */
  writeDetachedBytes(commit: Checksum, bytes: Uint8Array): void {
    this.#lifetime.assertOpen();
    if (bytes.length > 0) DETACHED.decode(bytes, { format: `${commit}.commitmeta` });
    this.#writer.putMetadata("commitmeta", commit, bytes, "replace");
  }

  /** A metadata object of another repository, whose checksum was checked: by a link where that can be. False if it is there. */
  importMetadata(from: Repo, checksum: Checksum, type: HashedType, bytes: Uint8Array): boolean {
    this.#lifetime.assertOpen();
    this.#stats.metadataTotal++;
    if (this.#writer.hasMetadata(checksum, type)) return false;
    const found = from.reader.findMetadata(checksum, type);
    const linked =
      found?.stat.type === "regular"
        ? this.#writer.linkMetadata(found.dir, checksum, type, found.stat)
        : undefined;
    if (linked === undefined) this.#writer.putMetadata(type, checksum, bytes);
    if (type === "commit") removeObject(this.repo.objects, checksum, "tombstone-commit", this.repo.mode);
    this.#stats.metadataWritten++;
    return true;
  }

  /** Counts a content that came from another repository. */
  countImported(storedSize: number): void {
    if (storedSize > 0) this.#space.take(storedSize);
    this.#stats.contentTotal++;
    this.#stats.contentWritten++;
  }

  writeSymlink(info: FileInfo): WrittenFile {
    this.#lifetime.assertOpen();
    return this.count(this.#writer.writeSymlink(info));
  }

  async writeFile(source: File | Uint8Array, info: FileInfo, clone?: CloneChoice): Promise<WrittenFile> {
    this.#lifetime.assertOpen();
    return this.count(await this.#writer.writeFile(source, info, clone));
  }

  /** Takes a temporary file of {@link tempFile} whose content is complete and whose checksum is known. */
  async adopt(temporary: TempFile, info: FileInfo, checksum: Checksum, size: number): Promise<WrittenFile> {
    this.#lifetime.assertOpen();
    return this.count(await this.#writer.adopt(temporary, info, checksum, size));
  }

  /** Counts what a worker has written for this transaction. */
  count(written: WrittenFile): WrittenFile {
    this.#stats.contentTotal++;
    if (written.how === "reused") return written;
    this.#space.take(written.storedSize);
    this.#stats.contentWritten++;
    this.#stats.contentBytesWritten += written.size;
    return written;
  }

  countCacheHit(): void {
    this.#stats.contentTotal++;
    this.#stats.contentCacheHits++;
  }

  /** Sets a ref when the transaction is committed; `undefined` removes it. */
  setRef(ref: string, checksum: Checksum | undefined, owner: RefOwner = HEADS): void {
    this.#refs.push({ owner, ref, checksum });
  }

  /** Makes everything durable and visible. */
  async commit(): Promise<TransactionStats> {
    this.#lifetime.assertOpen();
    throwIfAborted(this.#signal);
    crashPoint("ostree/transaction/before-sync");
    if (this.#staging !== undefined) {
      await this.repo.pool.run(syncDescriptor, {
        fd: this.repo.objects.fd,
        what: "file-system",
        label: "objects",
      });
      await this.#moveObjects(this.#staging.dir);
      crashPoint("ostree/transaction/after-objects");
      this.#staging.remove();
    }
    cleanTmp(this.#tmp, this.repo.bootId, this.repo.config.tmpExpirySecs, Date.now() / 1000);
    const sync: SyncPolicy = this.#sync ? "data-and-directories" : "none";
    for (const { owner, ref, checksum } of this.#refs) {
      this.repo.refs.write(owner, ref, checksum, sync);
      crashPoint("ostree/transaction/after-ref");
    }
    this.#end();
    return this.stats;
  }

  /** First what others refer to, then commits, each made durable before the next. */
  async #moveObjects(staging: Dir): Promise<void> {
    const shards = staging
      .list()
      .filter(({ type }) => type === "directory")
      .map(({ name }) => name);
    const late = await moveShards(this.repo, staging, shards);
    // Detached metadata before its commit: who sees the commit may ask for it.
    late.sort((a, b) => Number(b.replace) - Number(a.replace));
    for (const { shard, name, replace } of late) {
      using from = staging.openDir(shard);
      using to = this.repo.objects.openDir(shard);
      moveObject(from, to, name, replace);
      to.sync();
    }
  }

  #end(): void {
    if (!this.#lifetime.end()) return;
    this.#reader?.[Symbol.dispose]();
    this.#writer[Symbol.dispose]();
    this.#staging?.[Symbol.dispose]();
    this.#tmp[Symbol.dispose]();
    this.#held[Symbol.dispose]();
  }

  /** Gives up like a process that ends here: what was staged stays for the next transaction of this boot. */
  leave(): void {
    if (!this.#lifetime.disposed) this.#end();
  }

  /** Gives the transaction up, if it was not committed, with what was staged. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lifetime.disposed) return;
    this.#staging?.remove();
    this.#end();
  }
}
