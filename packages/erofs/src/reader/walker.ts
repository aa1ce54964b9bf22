// The names of an image, each looked at once and checked against its inode. What is made of them is for a builder.

import type { ByteString } from "@bootc-store/core";
import { kindOfMode } from "@bootc-store/tree";

import { erofsErrors } from "../errors.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG, typeOf } from "../image/node.ts";
import { SLOT_SIZE } from "../layout.ts";
import { entryType } from "../writer/prepare.ts";
import { invalid, type RawEntry, type RawImage, type RawInode } from "./raw.ts";

export interface ReadImageOptions {
  /**
   * Whose reading: `composefs-rs` gives back the tree and checks more; `c` is what `composefs-info` shows, which among other
   * things has no whiteouts that were not escaped. By default `composefs-rs`.
   */
  readonly dialect?: "c" | "composefs-rs";
  /** Components of the deepest path, by default 2048. */
  readonly depth?: number;
}

/** What becomes of the inodes: `D` of directories, `L` of all others, which may have several names. */
export interface ImageBuilder<D, L> {
  directory(raw: RawInode): D;
  leaf(raw: RawInode): L;
  /** Whether the leaf is a whiteout, by itself or by its attributes. */
  isWhiteout(leaf: L): boolean;
  /** In the order of a walk, depth first by the bytes of the names. `again`: the leaf had a name before. */
  add(parent: D, name: ByteString, node: D | L, again: boolean): void;
}

interface Open<D> {
  readonly nid: number;
  readonly entries: readonly RawEntry[];
  /** Of the next entry. */
  at: number;
  readonly node: D;
}

interface Leaf<L> {
  readonly node: L;
  readonly mode: number;
  readonly nlink: number;
  names: number;
}

const MAX_C_CONTENT = 5000;

/** Returns what was made of the root. Throws `erofs/image-invalid`, `erofs/image-limit`. */
export function walkImage<D, L>(image: RawImage, options: ReadImageOptions, builder: ImageBuilder<D, L>): D {
  return new ImageWalker(image, options, builder).walk();
}

class ImageWalker<D, L> {
  readonly #image: RawImage;
  readonly #c: boolean;
  readonly #maxDepth: number;
  readonly #builder: ImageBuilder<D, L>;
  readonly #directories = new Set<number>();
  readonly #leaves = new Map<number, Leaf<L>>();

  constructor(image: RawImage, options: ReadImageOptions, builder: ImageBuilder<D, L>) {
    this.#image = image;
    this.#c = options.dialect === "c";
    this.#maxDepth = options.depth ?? 2048;
    this.#builder = builder;
  }

  walk(): D {
    const { rootNid } = this.#image;
    const raw = this.#image.inode(rootNid);
    if (typeOf(raw) !== S_IFDIR)
      throw invalid("inode › mode", rootNid * SLOT_SIZE + 4, "the root is no directory");
    const root = this.#open(raw, rootNid);
    // Depth first, as the first name of a file is its place.
    const stack = [root];
    for (let open = stack.at(-1); open !== undefined; open = stack.at(-1)) {
      const entry = open.entries[open.at++];
      if (entry === undefined) stack.pop();
      else if (entry.name !== "." && entry.name !== "..") {
        const below = this.#child(open, entry, stack.length);
        if (below !== undefined) stack.push(below);
      }
    }
    if (!this.#c) this.#checkLinks();
    return root.node;
  }

  /** A directory whose "." and ".." are right. */
  #open(raw: RawInode, parent: number): Open<D> {
    const { nid } = raw;
    this.#directories.add(nid);
    const entries = this.#image.entries(raw);
    let self: number | undefined;
    let up: number | undefined;
    for (const entry of entries) {
      if (entry.name === ".") self = entry.nid;
      else if (entry.name === "..") up = entry.nid;
    }
    const at = nid * SLOT_SIZE;
    if (self !== nid) throw invalid("directory › .", at, "it is not the directory itself");
    if (up !== parent) throw invalid("directory › ..", at, "it is not the directory above");
    return { nid, entries, at: 0, node: this.#builder.directory(raw) };
  }

  #child(open: Open<D>, { name, nid, type }: RawEntry, depth: number): Open<D> | undefined {
    if (depth > this.#maxDepth) {
      throw erofsErrors.error("image-limit", `the image has paths of more than ${this.#maxDepth} components`);
    }
    const known = this.#leaves.get(nid);
    if (known !== undefined) {
      this.#checkType(open, type, known);
      known.names++;
      this.#addLeaf(open, name, known, depth);
      return undefined;
    }
    const raw = this.#image.inode(nid);
    this.#checkType(open, type, raw);
    if (typeOf(raw) === S_IFDIR) {
      if (this.#directories.has(nid)) {
        throw invalid("directory › nid", open.nid * SLOT_SIZE, "a directory has two names");
      }
      const below = this.#open(raw, open.nid);
      this.#builder.add(open.node, name, below.node, false);
      return below;
    }
    this.#checkLeaf(raw);
    const leaf = { node: this.#builder.leaf(raw), mode: raw.mode, nlink: raw.nlink, names: 1 };
    this.#leaves.set(nid, leaf);
    this.#addLeaf(open, name, leaf, depth);
    return undefined;
  }

  #checkType(open: Open<D>, type: number, inode: Pick<RawInode, "mode">): void {
    if (type === entryType(inode)) return;
    throw invalid("directory › type", open.nid * SLOT_SIZE, `the type ${type} is not that of the inode`);
  }

  #checkLeaf(raw: RawInode): void {
    const type = typeOf(raw);
    if (type === S_IFREG || type === S_IFLNK || type === S_IFCHR || type === S_IFBLK) return;
    if (kindOfMode(raw.mode) === undefined) {
      throw invalid("inode › mode", raw.nid * SLOT_SIZE + 4, `0${raw.mode.toString(8)} is of no type`);
    }
  }

  /** Whiteouts that only hide the object store are left out; to C all whiteouts that are not escaped. */
  #addLeaf(open: Open<D>, name: ByteString, { node, mode, names }: Leaf<L>, depth: number): void {
    if (this.#builder.isWhiteout(node)) {
      const hidden = this.#c ? typeOf({ mode }) === S_IFCHR : depth === 1 && /^[0-9a-fA-F]{2}$/.test(name);
      if (hidden) return;
    }
    this.#builder.add(open.node, name, node, names > 1);
  }

  #checkLinks(): void {
    for (const [nid, { node, nlink, names }] of this.#leaves) {
      const at = nid * SLOT_SIZE;
      if (nlink !== names) throw invalid("inode › nlink", at, `it is ${nlink}, but there are ${names} names`);
      if (names > 1 && this.#builder.isWhiteout(node))
        throw invalid("inode › nlink", at, "a whiteout has more than one name");
    }
  }
}

/** Whether a leaf is a device 0:0, or has the attribute that stands for one. */
export function isWhiteoutInode(raw: RawInode): boolean {
  const type = typeOf(raw);
  if (type === S_IFCHR) return raw.u === 0;
  return type === S_IFREG && xattrOf(raw, "trusted.overlay.overlay.whiteout") !== undefined;
}

/** The value of an attribute, as it is stored. */
export function xattrOf({ xattrs }: RawInode, name: string): ByteString | undefined {
  for (const pair of xattrs.inline) if (pair[0] === name) return pair[1];
  for (const pair of xattrs.shared) if (pair[0] === name) return pair[1];
  return undefined;
}

/** A file's own bytes, a view. To C there are at most so many. */
export function contentOf(image: RawImage, raw: RawInode, c: boolean): Uint8Array {
  if (c && raw.size > BigInt(MAX_C_CONTENT)) {
    throw invalid("inode › size", raw.nid * SLOT_SIZE + 8, `${raw.size} bytes of content in the image`);
  }
  return image.content(raw);
}
