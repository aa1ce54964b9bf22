import type { ByteString } from "@bootc-store/core";
import { throwIfAborted } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import { isSymlink } from "../format/file-info.ts";
import { readContent } from "../objects/content.ts";
import type { FileObject } from "../objects/reader.ts";
import type { WrittenFile } from "../objects/written-file.ts";
import type { Repo } from "../repo/repo.ts";
import type { Transaction } from "../repo/transaction.ts";
import {
  applyRules,
  type CommitModifier,
  type PlainRules,
  plainRules,
  sameInfo,
  storesXattrs,
} from "./modifier.ts";
import type { MutableTree } from "./mutable-tree.ts";

export interface StoreCommitOptions {
  readonly modifier?: CommitModifier;
  readonly matched?: Set<ByteString>;
  readonly signal?: AbortSignal;
}

/**
 * Lays the tree of a commit over another one. Without a modifier nothing is read but directories that are in both; with
 * one, what it changes is stored anew.
 */
export async function storeCommitTree(
  transaction: Transaction,
  root: { readonly tree: Checksum; readonly meta: Checksum },
  into: MutableTree,
  options: StoreCommitOptions = {},
): Promise<void> {
  await new CommitStore(transaction, options).directory(root.tree, root.meta, "", into);
}

class CommitStore {
  readonly #transaction: Transaction;
  readonly #repo: Repo;
  readonly #modifier: CommitModifier | undefined;
  readonly #rules: PlainRules | undefined = undefined;
  readonly #options: StoreCommitOptions;

  constructor(transaction: Transaction, options: StoreCommitOptions) {
    this.#transaction = transaction;
    this.#repo = transaction.repo;
    this.#modifier = options.modifier;
    this.#options = options;
    if (options.modifier === undefined) return;
    const rules = plainRules(options.modifier);
    this.#rules = { ...rules, labels: rules.labels && storesXattrs(this.#repo.config) };
  }

  async directory(tree: Checksum, meta: Checksum, path: string, into: MutableTree): Promise<void> {
    throwIfAborted(this.#options.signal);
    if (this.#rules === undefined && into.adopt(tree, meta, this.#transaction.reader)) return;
    into.meta = this.#meta(meta, path);
    const { files, dirs } = this.#repo.readDirtree(tree);
    for (const [name, checksum] of files) {
      const own = `${path}/${name}` as ByteString;
      if (!this.#skipped(own)) into.setFile(name, await this.#file(checksum, own));
    }
    for (const [name, dir] of dirs) {
      const own = `${path}/${name}` as ByteString;
      if (!this.#skipped(own)) await this.directory(dir.tree, dir.meta, own, into.ensureDir(name));
    }
  }

  #skipped(path: ByteString): boolean {
    if (this.#modifier?.skip?.has(path) !== true) return false;
    this.#options.matched?.add(path);
    return true;
  }

  #override(path: ByteString): { add?: number; set?: number } | undefined {
    const found = this.#modifier?.statOverrides?.get(path);
    if (found !== undefined) this.#options.matched?.add(path);
    return found;
  }

  #meta(meta: Checksum, path: string): Checksum {
    if (this.#rules === undefined) return meta;
    const own = (path === "" ? "/" : path) as ByteString;
    const info = this.#repo.readDirmeta(meta);
    const label = this.#modifier?.label?.(own, info.mode);
    return this.#transaction.writeDirmeta(applyRules(info, this.#rules, this.#override(own), label));
  }

  async #file(checksum: Checksum, path: ByteString): Promise<Checksum> {
    if (this.#rules === undefined) return checksum;
    using object = this.#repo.openFile(checksum);
    const label = this.#modifier?.label?.(path, object.info.mode);
    const info = applyRules(object.info, this.#rules, this.#override(path), label);
    if (sameInfo(info, object.info)) return checksum;
    return (await this.#write(object, info)).checksum;
  }

  async #write(object: FileObject, info: FileObject["info"]): Promise<WrittenFile> {
    if (isSymlink(info)) return this.#transaction.writeSymlink(info);
    if (object.stored.kind === "plain") return await this.#transaction.writeFile(object.stored.file, info);
    using temporary = this.#transaction.tempFile();
    for await (const piece of readContent(object)) temporary.file.write(piece);
    return await this.#transaction.writeFile(temporary.file, info);
  }
}
