import type { ByteString } from "@bootc-store/core";

import { Directory } from "./directory.ts";
import { treeErrors } from "./errors.ts";
import type { Inode, Leaf, Special } from "./leaf.ts";
import { DEFAULT_LIMITS, type TreeLimits } from "./limits.ts";
import { type Metadata, metadataOf } from "./metadata.ts";
import { joinPath, shown, splitPath } from "./name.ts";
import type { Tree } from "./tree.ts";

export interface TreeBuilderOptions {
  readonly limits?: Partial<TreeLimits>;
  /** What a second entry of one path does: an error (the default), or it takes the place of the first. */
  readonly duplicates?: "refuse" | "replace";
  /** What a missing parent directory does: an error (the default), or it is made with `parentMetadata`. */
  readonly parents?: "refuse" | "create";
  readonly parentMetadata?: Metadata;
  /** The root's metadata until an entry for `/` sets it. */
  readonly rootMetadata?: Metadata;
}

/**
 * Builds a tree from entries in any order that names parents before children. Hard links are resolved by
 * {@link TreeBuilder.finish}, so their targets may come later and be hard links themselves.
 */
export class TreeBuilder {
  readonly #limits: TreeLimits;
  readonly #duplicates: "refuse" | "replace";
  readonly #parents: "refuse" | "create";
  readonly #parentMetadata: Metadata;
  readonly #root: Directory;
  #rootSet = false;
  #entries = 0;
  /** Holds the place of each hard link until the end. */
  readonly #links = new Map<Inode, HardlinkPlace>();
  #recent: { readonly path: string; readonly directory: Directory } | undefined;

  constructor(options: TreeBuilderOptions = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#duplicates = options.duplicates ?? "refuse";
    this.#parents = options.parents ?? "refuse";
    this.#parentMetadata = options.parentMetadata ?? metadataOf("directory");
    this.#root = new Directory(options.rootMetadata ?? metadataOf("directory"));
  }

  /** Names so far, the root not counted. */
  get entries(): number {
    return this.#entries;
  }

  /**
   * A directory, or the root for `/`. Where a directory is replaced, it gets the metadata and keeps what it
   * holds. Returns the directory, for those who fill it themselves.
   */
  addDirectory(path: ByteString, metadata: Metadata): Directory {
    const place = this.#place(path);
    if (place === undefined) {
      if (this.#rootSet && this.#duplicates === "refuse") throw duplicate(path);
      this.#rootSet = true;
      this.#root.metadata = metadata;
      return this.#root;
    }
    const existing = place.directory.get(place.name);
    if (existing?.kind === "directory" && this.#duplicates === "replace") {
      existing.metadata = metadata;
      return existing;
    }
    const directory = new Directory(metadata);
    this.#put(path, place, directory);
    return directory;
  }

  /** A leaf under one name. Adding the same object again under another name makes a hard link. */
  addLeaf(path: ByteString, leaf: Leaf): void {
    if (leaf.kind === "symlink" && leaf.target.length > this.#limits.targetLength) {
      throw treeErrors.error(
        "limit-exceeded",
        `the target of "${shown(path)}" has ${leaf.target.length} bytes, the limit is ${this.#limits.targetLength}`,
      );
    }
    this.#put(path, this.#placeOfLeaf(path), leaf);
  }

  /** One more name of the leaf at `target`, which need not exist before {@link TreeBuilder.finish}. */
  addHardlink(path: ByteString, target: ByteString): void {
    const place = this.#placeOfLeaf(path);
    const parts = this.#split(target);
    const holder: Special = { kind: "fifo", metadata: HOLDER_METADATA };
    this.#put(path, place, holder);
    this.#links.set(holder, { ...place, path, target: parts });
  }

  /**
   * The tree; the builder is not to be used any more. Throws `tree/hardlink-target-missing`,
   * `tree/hardlink-target-directory`, `tree/hardlink-cycle`.
   */
  finish(): Tree {
    for (const [holder, link] of this.#links) {
      if (link.directory.get(link.name) === holder) link.directory.set(link.name, this.#resolve(holder));
    }
    return { root: this.#root };
  }

  /** The leaf at the end of a chain of hard links. */
  #resolve(holder: Inode): Leaf {
    const chain = new Set<Inode>();
    let inode: Inode = holder;
    for (;;) {
      const link = this.#links.get(inode);
      if (link === undefined) break;
      if (chain.has(inode)) {
        throw treeErrors.error(
          "hardlink-cycle",
          `the hard link "${shown(link.path)}" names itself as target`,
        );
      }
      chain.add(inode);
      const next = this.#find(link.target);
      if (next === undefined) {
        throw treeErrors.error(
          "hardlink-target-missing",
          `the target "${shown(joinPath(link.target))}" of the hard link "${shown(link.path)}" does not exist`,
        );
      }
      if (next.kind === "directory") {
        throw treeErrors.error(
          "hardlink-target-directory",
          `the target "${shown(joinPath(link.target))}" of the hard link "${shown(link.path)}" is a directory`,
        );
      }
      inode = next;
    }
    return inode as Leaf;
  }

  #find(parts: readonly ByteString[]): Inode | undefined {
    let inode: Inode | undefined = this.#root;
    for (const part of parts) inode = inode?.kind === "directory" ? inode.get(part) : undefined;
    return inode;
  }

  #put(path: ByteString, place: Place, inode: Inode): void {
    const existing = place.directory.get(place.name);
    if (existing === undefined) this.#count();
    else if (this.#duplicates === "refuse") throw duplicate(path);
    else this.#recent = undefined;
    place.directory.set(place.name, inode);
  }

  #count(): void {
    this.#entries++;
    if (this.#entries > this.#limits.entries) {
      throw treeErrors.error("limit-exceeded", `the tree has more than ${this.#limits.entries} entries`);
    }
  }

  #placeOfLeaf(path: ByteString): Place {
    const place = this.#place(path);
    if (place === undefined) throw treeErrors.error("root-invalid", "the root must be a directory");
    return place;
  }

  #split(path: ByteString): ByteString[] {
    const parts = splitPath(path, this.#limits.nameLength);
    if (parts.length > this.#limits.depth) {
      throw treeErrors.error(
        "limit-exceeded",
        `"${shown(path)}" has ${parts.length} components, the limit is ${this.#limits.depth}`,
      );
    }
    return parts;
  }

  /** Where a path's last component goes; `undefined` for the root itself. */
  #place(path: ByteString): Place | undefined {
    const parts = this.#split(path);
    const name = parts.pop();
    if (name === undefined) return undefined;
    const key = parts.join("/");
    if (this.#recent?.path === key) return { directory: this.#recent.directory, name };
    let directory = this.#root;
    for (const [at, part] of parts.entries()) {
      let next = directory.get(part);
      if (next === undefined && this.#parents === "create") {
        this.#count();
        next = new Directory(this.#parentMetadata);
        directory.set(part, next);
      }
      if (next?.kind !== "directory") {
        const parent = shown(joinPath(parts.slice(0, at + 1)));
        throw next === undefined
          ? treeErrors.error(
              "entry-parent-missing",
              `"${parent}" does not exist, but "${shown(path)}" is in it`,
            )
          : treeErrors.error(
              "path-not-directory",
              `"${parent}" is a ${next.kind}, but "${shown(path)}" is in it`,
            );
      }
      directory = next;
    }
    this.#recent = { path: key, directory };
    return { directory, name };
  }
}

interface Place {
  readonly directory: Directory;
  readonly name: ByteString;
}

interface HardlinkPlace extends Place {
  readonly path: ByteString;
  readonly target: readonly ByteString[];
}

const HOLDER_METADATA = metadataOf("fifo");

function duplicate(path: ByteString): Error {
  return treeErrors.error("entry-duplicate", `"${shown(path)}" occurs twice`);
}
