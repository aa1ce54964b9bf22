import { type ByteString, displayName } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import type { ObjectReader } from "../objects/reader.ts";
import type { Transaction } from "../repo/transaction.ts";

/** Directories in one another, more than any path can have. */
const MAX_DEPTH = 2048;

/**
 * A directory that is being put together from contents that are stored already. One that was taken from a commit knows
 * only its checksums until somebody looks into it; unchanged, it is never read.
 */
export class MutableTree {
  /** Of the dirmeta; a directory without one cannot be committed. */
  meta: Checksum | undefined;
  #files = new Map<ByteString, Checksum>();
  #dirs = new Map<ByteString, MutableTree>();
  #expanded = false;
  /** The dirtree that this directory is, as long as nothing in it was changed. */
  #known: { readonly tree: Checksum; readonly reader: ObjectReader } | undefined;

  /** A directory as it is in a repository. */
  static of(tree: Checksum, meta: Checksum, reader: ObjectReader): MutableTree {
    const made = new MutableTree();
    made.meta = meta;
    made.#known = { tree, reader };
    return made;
  }

  /** The dirtree, if it is as it was read. */
  get unchangedTree(): Checksum | undefined {
    return this.#known?.tree;
  }

  /** True if nothing was put into it yet. */
  get pristine(): boolean {
    return this.#known === undefined && this.#files.size === 0 && this.#dirs.size === 0;
  }

  get files(): ReadonlyMap<ByteString, Checksum> {
    this.#expand();
    return this.#files;
  }

  get dirs(): ReadonlyMap<ByteString, MutableTree> {
    this.#expand();
    return this.#dirs;
  }

  /** Sets a file, instead of one of that name. Throws `ostree/tree-conflict` if a directory has it. */
  setFile(name: ByteString, checksum: Checksum): void {
    this.#change();
    if (this.#dirs.has(name)) {
      throw ostreeErrors.error("tree-conflict", `Can't replace directory with file: ${displayName(name)}`);
    }
    this.#files.set(name, checksum);
  }

  /** The directory of that name, made if it is not there. Throws `ostree/tree-conflict` if a file has it. */
  ensureDir(name: ByteString): MutableTree {
    this.#change();
    if (this.#files.has(name)) {
      throw ostreeErrors.error("tree-conflict", `Can't replace file with directory: ${displayName(name)}`);
    }
    let dir = this.#dirs.get(name);
    if (dir === undefined) {
      dir = new MutableTree();
      this.#dirs.set(name, dir);
    }
    return dir;
  }

  /** Sets a directory that was put together elsewhere. */
  putDir(name: ByteString, dir: MutableTree): void {
    this.#change();
    if (this.#files.has(name)) {
      throw ostreeErrors.error("tree-conflict", `Can't replace file with directory: ${displayName(name)}`);
    }
    this.#dirs.set(name, dir);
  }

  /** Removes a name; false if nothing had it. */
  remove(name: ByteString): boolean {
    this.#change();
    return this.#files.delete(name) || this.#dirs.delete(name);
  }

  /** Makes this directory what one of a repository is, if it is still untouched. */
  adopt(tree: Checksum, meta: Checksum, reader: ObjectReader): boolean {
    if (!this.pristine) return false;
    this.#known = { tree, reader };
    this.meta = meta;
    return true;
  }

  #change(): void {
    this.#expand();
    this.#known = undefined;
  }

  #expand(): void {
    const known = this.#known;
    if (known === undefined || this.#expanded) return;
    this.#expanded = true;
    const { files, dirs } = decodeDirtree(
      known.reader.readMetadata(known.tree, "dirtree"),
      `${known.tree}.dirtree`,
    );
    this.#files = new Map(files);
    this.#dirs = new Map(
      Array.from(dirs, ([name, { tree, meta }]) => [name, MutableTree.of(tree, meta, known.reader)]),
    );
  }

  /** Writes the dirtrees of this directory and all below it. Throws `ostree/tree-empty` for one without metadata. */
  write(transaction: Transaction, depth = 0): { readonly tree: Checksum; readonly meta: Checksum } {
    const { meta } = this;
    if (meta === undefined) {
      throw ostreeErrors.error(
        "tree-empty",
        depth === 0 ? "Can't commit an empty tree" : "a directory has no metadata",
      );
    }
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `more than ${MAX_DEPTH} directories in one another`);
    // One that was never looked into has nothing below that could have been changed.
    if (this.#known !== undefined && !this.#expanded) return { tree: this.#known.tree, meta };
    const dirs = new Map(Array.from(this.dirs, ([name, dir]) => [name, dir.write(transaction, depth + 1)]));
    return { tree: transaction.writeDirtree({ files: this.files, dirs }), meta };
  }
}
