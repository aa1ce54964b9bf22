import { type ByteString, Lifetime, utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import { createPool, Dir, type Pool } from "@bootc-store/linux";

import { type SourcedTree, TallyBuilder, type WrittenTree } from "@bootc-store/backend";

import { storeTree } from "../commit/from-tree.ts";
import type { WriteTreeOptions } from "../commit/options.ts";
import { writeCommit } from "../commit/write-commit.ts";
import { ostreeErrors } from "../errors.ts";
import { type Checksum } from "../format/checksum.ts";
import { type Commit, decodeCommit } from "../format/commit.ts";
import { decodeDirtree, type Dirtree } from "../format/dirtree.ts";
import { decodeDirmeta, type FileInfo } from "../format/file-info.ts";
import type { RepoMode } from "../format/mode.ts";
import { type FileObject, ObjectReader } from "../objects/reader.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import { readBootId } from "./boot-id.ts";
import { readConfig, type RepoConfig } from "./config.ts";
import { initRepo, type InitOptions } from "./init.ts";
import { RepoLock } from "./lock.ts";
import { Refs } from "./refs.ts";
import { Transaction, type TransactionOptions } from "./transaction.ts";

export interface OpenOptions {
  /** Worker threads for bulk work, which stay the caller's. Without it everything runs on the calling thread. */
  readonly pool?: Pool;
  /** Instead of the kernel's. */
  readonly bootId?: string;
}

/** A repository. Dispose of it to close what it holds. */
export class Repo implements Disposable {
  readonly dir: Dir;
  readonly objects: Dir;
  readonly pool: Pool;
  readonly refs: Refs;
  readonly lock: RepoLock;
  readonly parent: Repo | undefined;
  readonly #config: RepoConfig;
  readonly #configFile: KeyFile;
  readonly #lifetime = new Lifetime("repository");
  readonly #bootId: string | undefined;
  #reader: ObjectReader | undefined;

  private constructor(dir: Dir, options: OpenOptions, depth: number) {
    this.dir = dir;
    this.pool = options.pool ?? INLINE;
    this.#bootId = options.bootId;
    const text = dir.readFileOptional("config" as ByteString, { limit: 1 << 24 });
    const objects = text === undefined ? undefined : dir.openDirOptional("objects" as ByteString);
    if (text === undefined || objects === undefined) {
      throw ostreeErrors.error(
        "repo-not-found",
        "this directory has no objects and no config, so it is no repository",
      );
    }
    this.objects = objects;
    try {
      this.#configFile = KeyFile.parse(text.toString("utf8"));
      this.#config = readConfig(this.#configFile);
      this.parent = this.#openParent(options, depth);
    } catch (error) {
      objects[Symbol.dispose]();
      throw error;
    }
    this.lock = new RepoLock(dir, this.#config);
    this.refs = new Refs(dir, this.parent?.refs);
  }

  /** Opens a repository; `dir` is then its own to close. Throws `ostree/repo-not-found` and others. */
  static open(dir: Dir, options: OpenOptions = {}): Repo {
    return new Repo(dir, options, 0);
  }

  /** Makes a repository of an empty directory, or opens the one that is there. */
  static ensure(dir: Dir, options: OpenOptions & InitOptions): Repo {
    initRepo(dir, options);
    return Repo.open(dir, options);
  }

  #openParent(options: OpenOptions, depth: number): Repo | undefined {
    const path = this.#config.parent;
    if (path === undefined) return undefined;
    if (depth >= MAX_PARENTS) {
      throw ostreeErrors.error(
        "config-invalid",
        `more than ${MAX_PARENTS} parent repositories, or a circle of them`,
      );
    }
    // A path in a config is what the format says it is: any place of this machine.
    const dir = Dir.openHost(utf8(path));
    try {
      return new Repo(dir, options, depth + 1);
    } catch (error) {
      dir[Symbol.dispose]();
      throw error;
    }
  }

  get mode(): RepoMode {
    return this.#config.mode;
  }

  get config(): RepoConfig {
    return this.#config;
  }

  /** The file as it was read, for keys that {@link config} does not have. */
  get configFile(): KeyFile {
    return this.#configFile;
  }

  get bootId(): string {
    return this.#bootId ?? readBootId();
  }

  /** Where objects are, for workers. */
  places(staging?: Dir): ObjectPlaces {
    return {
      mode: this.mode,
      objects: this.objects.fd,
      ...(staging === undefined ? {} : { staging: staging.fd }),
      ...(this.parent === undefined ? {} : { parent: this.parent.places() }),
    };
  }

  /** Looks up objects of this repository and its parents. */
  get reader(): ObjectReader {
    this.#lifetime.assertOpen();
    return (this.#reader ??= new ObjectReader(this.places()));
  }

  readCommit(checksum: Checksum): Commit {
    return decodeCommit(this.reader.readMetadata(checksum, "commit"), `${checksum}.commit`);
  }

  readDirtree(checksum: Checksum): Dirtree {
    return decodeDirtree(this.reader.readMetadata(checksum, "dirtree"), `${checksum}.dirtree`);
  }

  readDirmeta(checksum: Checksum): FileInfo {
    return decodeDirmeta(this.reader.readMetadata(checksum, "dirmeta"), `${checksum}.dirmeta`);
  }

  openFile(checksum: Checksum): FileObject {
    return this.reader.openFile(checksum);
  }

  /** Begins to write. What is written is there for others when the transaction is committed. */
  async begin(options: TransactionOptions = {}): Promise<Transaction> {
    this.#lifetime.assertOpen();
    return await Transaction.begin(this, options);
  }

  /** Commits a tree; the id is the commit's checksum. */
  async writeTree(source: SourcedTree, options: WriteTreeOptions): Promise<WrittenTree> {
    const { signal, fsync, clone } = options;
    await using transaction = await this.begin({
      ...(signal === undefined ? {} : { signal }),
      ...(fsync === undefined ? {} : { fsync }),
    });
    const tally = new TallyBuilder();
    const tree = await storeTree(transaction, source, tally, {
      ...(signal === undefined ? {} : { signal }),
      ...(clone === undefined ? {} : { clone }),
    });
    const root = tree.write(transaction);
    const before = transaction.stats.metadataWritten;
    const id = writeCommit(transaction, root, options);
    const { metadataWritten } = await transaction.commit();
    return { id, created: metadataWritten > before, content: tally.tally() };
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    this.#reader?.[Symbol.dispose]();
    this.lock[Symbol.dispose]();
    this.objects[Symbol.dispose]();
    this.parent?.[Symbol.dispose]();
    this.dir[Symbol.dispose]();
  }
}

const MAX_PARENTS = 16;

/** Runs tasks where they are asked for; it has no threads that would have to be ended. */
const INLINE = createPool({ size: 0 });
