import type { TallyBuilder } from "@bootc-store/backend";
import { type ByteString, throwIfAborted } from "@bootc-store/core";
import { type Dir, type DirEntry, fileKey } from "@bootc-store/linux";
import { TYPE_BITS, Xattrs } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { FileInfo } from "../format/file-info.ts";
import { readXattrs } from "../objects/reader.ts";
import type { CloneChoice, WrittenFile } from "../objects/written-file.ts";
import type { Transaction } from "../repo/transaction.ts";
import type { DevinoCache } from "./devino.ts";
import { type DirectoryItem, storeFiles, unsupported } from "./directory-task.ts";
import { applyRules, type CommitModifier, type PlainRules, rulesFor, sameInfo } from "./modifier.ts";
import type { MutableTree } from "./mutable-tree.ts";

const BATCH_FILES = 256;
/** Deeper than any path can be. */
const MAX_DEPTH = 2048;

export interface StoreDirectoryOptions {
  readonly modifier?: CommitModifier;
  /** Contents whose device and inode are here are not read. */
  readonly devino?: DevinoCache;
  /** Take what is in the cache as it is, without a look at its metadata. */
  readonly devinoCanonical?: boolean;
  /** Removes what was stored, file by file, and the directories. */
  readonly consume?: boolean;
  readonly clone?: CloneChoice;
  readonly signal?: AbortSignal;
  /** Paths of the modifier that were met are put in here. */
  readonly matched?: Set<ByteString>;
  readonly tally?: TallyBuilder;
}

/**
 * Stores a directory and what is below it, and lays it over `into`. Throws `ostree/file-type-unsupported` for what is
 * neither directory nor regular file nor symlink, `ostree/name-not-utf8`, `ostree/tree-conflict`.
 */
export async function storeDirectory(
  transaction: Transaction,
  dir: Dir,
  into: MutableTree,
  options: StoreDirectoryOptions = {},
): Promise<void> {
  await new DirectoryStore(transaction, dir, options).store(into);
}

interface Pending {
  readonly item: DirectoryItem;
  readonly name: ByteString;
  readonly into: MutableTree;
}

class DirectoryStore {
  readonly #transaction: Transaction;
  readonly #top: Dir;
  readonly #options: StoreDirectoryOptions;
  readonly #modifier: CommitModifier;
  readonly #rules: PlainRules;
  readonly #running: Promise<void>[] = [];
  #batch: Pending[] = [];

  constructor(transaction: Transaction, dir: Dir, options: StoreDirectoryOptions) {
    this.#transaction = transaction;
    this.#top = dir;
    this.#options = options;
    this.#modifier = options.modifier ?? {};
    this.#rules = rulesFor(this.#modifier, transaction.repo.config);
  }

  async store(into: MutableTree): Promise<void> {
    const { skip } = this.#modifier;
    if (skip?.has("/" as ByteString) === true) this.#options.matched?.add("/" as ByteString);
    else {
      try {
        using top = this.#top.duplicate();
        await this.#directory(top, "", into, 0);
        await this.#flush();
        for (const running of this.#running) await running;
      } finally {
        // Workers use descriptors of the transaction and of the directory, so none may be left behind.
        await Promise.allSettled(this.#running);
      }
    }
    if (this.#options.consume === true) removeContent(this.#top);
  }

  /** @param prefix path of the directory with a slash at its end, or nothing for the root. */
  async #directory(dir: Dir, prefix: string, into: MutableTree, depth: number): Promise<void> {
    throwIfAborted(this.#options.signal);
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `${prefix}: too many directories in one another`);
    const path = `/${prefix.slice(0, -1)}` as ByteString;
    into.meta = this.#transaction.writeDirmeta(this.#directoryInfo(dir, path));
    for (const entry of dir.list()) {
      const own = `/${prefix}${entry.name}` as ByteString;
      if (this.#modifier.skip?.has(own) === true) {
        this.#options.matched?.add(own);
        continue;
      }
      if (entry.type === "directory") {
        using below = dir.openDir(entry.name);
        await this.#directory(below, `${prefix}${entry.name}/`, into.ensureDir(entry.name), depth + 1);
      } else await this.#leaf(dir, entry, prefix, own, into);
    }
  }

  #directoryInfo(dir: Dir, path: ByteString): FileInfo {
    const { uid, gid, mode } = dir.statSelf();
    const xattrs = this.#rules.noXattrs ? Xattrs.empty : readXattrs(dir.self());
    return applyRules(
      { uid, gid, mode, xattrs },
      this.#rules,
      this.#override(path),
      this.#modifier.label?.(path, mode),
    );
  }

  async #leaf(dir: Dir, entry: DirEntry, prefix: string, path: ByteString, into: MutableTree): Promise<void> {
    const { name, type } = entry;
    if (type !== "regular" && type !== "symlink") throw unsupported((prefix + name) as ByteString, type);
    const mode = type === "regular" ? TYPE_BITS.file : TYPE_BITS.symlink;
    const override = this.#override(path);
    const label = this.#modifier.label?.(path, mode);
    const item: DirectoryItem = {
      path: (prefix + name) as ByteString,
      ...(override === undefined ? {} : { override }),
      ...(label === undefined ? {} : { label }),
    };
    const known = this.#known(dir, name, item);
    if (known !== undefined) {
      into.setFile(name, known);
      this.#transaction.countCacheHit();
      return;
    }
    this.#batch.push({ item, name, into });
    if (this.#batch.length >= BATCH_FILES) await this.#flush();
  }

  #override(path: ByteString): { add?: number; set?: number } | undefined {
    const found = this.#modifier.statOverrides?.get(path);
    if (found !== undefined) this.#options.matched?.add(path);
    return found;
  }

  /** The checksum of a file that is a link to an object, if the commit would not change its metadata. */
  #known(dir: Dir, name: ByteString, item: DirectoryItem): Checksum | undefined {
    const { devino } = this.#options;
    if (devino === undefined) return undefined;
    const checksum = devino.get(fileKey(dir.stat(name)));
    if (checksum === undefined || this.#options.devinoCanonical === true) return checksum;
    // What the object says and not the file: in some modes the owner is only there.
    const object = this.#transaction.reader.openFileOptional(checksum);
    if (object === undefined) return undefined;
    using _open = object;
    return sameInfo(applyRules(object.info, this.#rules, item.override, item.label), object.info)
      ? checksum
      : undefined;
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    const running = this.#run(batch);
    running.catch(() => {});
    this.#running.push(running);
    const behind = this.#running.length - 2 * Math.max(1, this.#transaction.repo.pool.size);
    if (behind >= 0) await this.#running[behind];
  }

  async #run(batch: readonly Pending[]): Promise<void> {
    const { signal, clone = "allow", tally } = this.#options;
    const results = await this.#transaction.repo.pool.run(
      storeFiles,
      {
        places: this.#transaction.places,
        dir: this.#top.fd,
        clone,
        consume: this.#options.consume ?? false,
        rules: this.#rules,
        items: batch.map(({ item }) => item),
      },
      signal === undefined ? {} : { signal },
    );
    for (const [at, { into, name }] of batch.entries()) {
      const written = this.#transaction.count(results[at] as WrittenFile);
      into.setFile(name, written.checksum);
      tally?.add(written.how === "adopted" ? "linked" : written.how, written.size);
    }
  }
}

function removeContent(dir: Dir): void {
  for (const { name } of dir.list()) dir.removeAll(name);
}
