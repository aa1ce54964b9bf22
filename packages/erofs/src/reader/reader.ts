import { type ByteString, bytesOf, utf8 } from "@bootc-store/core";
import { kindOfMode } from "@bootc-store/tree";

import { erofsErrors } from "../errors.ts";
import {
  type ExternalFile,
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  isWhiteout,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  typeOf,
  type XattrPair,
} from "../image/node.ts";
import { isXattrPrefix, LAYOUT_CHUNKED, SLOT_SIZE } from "../layout.ts";
import { entryType } from "../writer/prepare.ts";
import { invalid, type RawEntry, RawImage, type RawInode } from "./raw.ts";

export interface ReadImageOptions {
  /**
   * Whose reading: `composefs-rs` gives back the tree and checks more; `c` is what `composefs-info` shows, which among other
   * things has no whiteouts that were not escaped. By default `composefs-rs`.
   */
  readonly dialect?: "c" | "composefs-rs";
  /** Components of the deepest path, by default 2048. */
  readonly depth?: number;
}

export interface ReadImageResult {
  /** Format of the image. */
  readonly version: 0 | 1 | 2;
  readonly root: ImageDirectory;
}

/**
 * Reads an image back. Takes any that composefs writes, and refuses a damaged or hostile one with the field and offset:
 * `erofs/image-invalid`, `erofs/image-limit`.
 */
export function readImage(bytes: Uint8Array, options: ReadImageOptions = {}): ReadImageResult {
  const image = new RawImage(bytes);
  return { version: image.version, root: new TreeReader(image, options).read() };
}

interface Open {
  readonly raw: RawInode;
  readonly parent: number;
  readonly node: ImageDirectory;
  readonly depth: number;
}

const DIGEST_SIZES: { readonly [size: number]: number } = { 32: 1, 64: 2 };
const MAX_C_CONTENT = 5000;

class TreeReader {
  readonly #image: RawImage;
  readonly #c: boolean;
  readonly #maxDepth: number;
  readonly #directories = new Set<number>();
  readonly #leaves = new Map<number, { readonly node: ImageNode; readonly raw: RawInode; names: number }>();

  constructor(image: RawImage, options: ReadImageOptions) {
    this.#image = image;
    this.#c = options.dialect === "c";
    this.#maxDepth = options.depth ?? 2048;
  }

  read(): ImageDirectory {
    const { rootNid } = this.#image;
    const raw = this.#image.inode(rootNid);
    if (typeOf(raw) !== S_IFDIR)
      throw invalid("inode › mode", rootNid * SLOT_SIZE + 4, "the root is no directory");
    this.#directories.add(rootNid);
    const root = this.#directory(raw);
    // Depth first, as the first name of a file is its place.
    const stack: Open[] = [{ raw, parent: rootNid, node: root, depth: 0 }];
    for (let open = stack.pop(); open !== undefined; open = stack.pop()) {
      const below: Open[] = [];
      for (const entry of this.#named(open)) this.#child(open, entry, below);
      stack.push(...below.reverse());
    }
    if (!this.#c) this.#checkLinks();
    return this.#placeAliases(root);
  }

  /** The entries but "." and "..", which must be right. */
  #named({ raw, parent }: Open): RawEntry[] {
    const entries = this.#image.entries(raw);
    const { nid } = raw;
    const at = nid * SLOT_SIZE;
    const self = entries.find(({ name }) => name === ".");
    const up = entries.find(({ name }) => name === "..");
    if (self?.nid !== nid) throw invalid("directory › .", at, "it is not the directory itself");
    if (up?.nid !== parent) throw invalid("directory › ..", at, "it is not the directory above");
    return entries.filter((entry) => entry !== self && entry !== up);
  }

  #child(open: Open, entry: RawEntry, below: Open[]): void {
    const { name, nid } = entry;
    const depth = open.depth + 1;
    if (depth > this.#maxDepth) {
      throw erofsErrors.error("image-limit", `the image has paths of more than ${this.#maxDepth} components`);
    }
    const known = this.#leaves.get(nid);
    const raw = known?.raw ?? this.#image.inode(nid);
    if (entry.type !== entryType(raw)) {
      throw invalid(
        "directory › type",
        open.raw.nid * SLOT_SIZE,
        `the type ${entry.type} is not that of the inode`,
      );
    }
    if (typeOf(raw) === S_IFDIR) {
      if (this.#directories.has(nid)) {
        throw invalid("directory › nid", open.raw.nid * SLOT_SIZE, "a directory has two names");
      }
      this.#directories.add(nid);
      const node = this.#directory(raw);
      open.node.children.set(name, { node, alias: false });
      below.push({ raw, parent: open.raw.nid, node, depth });
      return;
    }
    const leaf = known ?? { node: this.#leaf(raw), raw, names: 0 };
    this.#leaves.set(nid, leaf);
    leaf.names++;
    if (!this.#isHidden(open, name, raw, leaf.node))
      open.node.children.set(name, { node: leaf.node, alias: false });
  }

  /** Whiteouts that only hide the object store; to C all whiteouts that are not escaped. */
  #isHidden(open: Open, name: ByteString, raw: RawInode, node: ImageNode): boolean {
    if (!isWhiteout(node)) return false;
    if (this.#c) return typeOf(raw) === S_IFCHR;
    return open.depth === 0 && /^[0-9a-fA-F]{2}$/.test(name);
  }

  #directory(raw: RawInode): ImageDirectory {
    return { ...this.#common(raw), children: new Map() };
  }

  #leaf(raw: RawInode): ImageNode {
    const common = this.#common(raw);
    const type = typeOf(raw);
    if (type === S_IFLNK) return { ...common, target: this.#image.target(raw) };
    if (type === S_IFCHR || type === S_IFBLK) return { ...common, rdev: raw.u };
    if (type !== S_IFREG) {
      if (kindOfMode(raw.mode) === undefined) {
        throw invalid("inode › mode", raw.nid * SLOT_SIZE + 4, `0${raw.mode.toString(8)} is of no type`);
      }
      return common;
    }
    const all = [...raw.xattrs.inline, ...raw.xattrs.shared];
    const value = (name: string): ByteString | undefined => all.find((pair) => pair[0] === name)?.[1];
    if (value("trusted.overlay.overlay.whiteout") !== undefined) {
      return { ...common, mode: S_IFCHR | (raw.mode & 0o7777), rdev: 0, size: 0n };
    }
    const external = this.#external(
      raw,
      value("trusted.overlay.metacopy"),
      value("trusted.overlay.redirect"),
    );
    if (external !== undefined) return { ...common, external };
    if (raw.size === 0n) return common;
    if (this.#c && raw.size > BigInt(MAX_C_CONTENT)) {
      throw invalid("inode › size", raw.nid * SLOT_SIZE + 8, `${raw.size} bytes of content in the image`);
    }
    return { ...common, content: this.#image.content(raw).slice() };
  }

  #external(raw: RawInode, metacopy?: ByteString, redirect?: ByteString): ExternalFile | undefined {
    const digest = metacopy === undefined || metacopy === "" ? undefined : this.#digest(raw, metacopy);
    const path = redirect?.startsWith("/") === true ? (redirect.slice(1) as ByteString) : redirect;
    const isObject = path !== undefined && /(?:^|\/)[0-9a-f]{2}\/(?:[0-9a-f]{62}|[0-9a-f]{126})$/.test(path);
    const payload = this.#c || digest !== undefined || isObject ? path : undefined;
    if (digest === undefined && payload === undefined && raw.layout !== LAYOUT_CHUNKED) return undefined;
    return { ...(payload === undefined ? {} : { payload }), ...(digest === undefined ? {} : { digest }) };
  }

  #digest(raw: RawInode, metacopy: ByteString): Uint8Array | undefined {
    const bytes = bytesOf(metacopy);
    if (this.#c) return bytes.length === 36 ? bytes.subarray(4) : undefined;
    const size = bytes.length - 4;
    const algorithm = DIGEST_SIZES[size];
    if (
      algorithm === undefined ||
      bytes[0] !== 0 ||
      bytes[1] !== bytes.length ||
      bytes[2] !== 0 ||
      bytes[3] !== algorithm
    ) {
      throw invalid("xattr › trusted.overlay.metacopy", raw.nid * SLOT_SIZE, "it holds no fs-verity digest");
    }
    return bytes.subarray(4);
  }

  #common(raw: RawInode): ImageNode {
    const { mode, nlink, uid, gid, size, mtime } = raw;
    const xattrs = [...this.#inlineXattrs(raw), ...raw.xattrs.shared].flatMap((pair) =>
      this.#plainXattr(pair),
    );
    return { mode, nlink, uid, gid, rdev: 0, size, mtime, xattrs };
  }

  /** The C reader does not see a last attribute that has nothing but its prefix. */
  #inlineXattrs({ xattrs: { inline } }: RawInode): readonly XattrPair[] {
    const last = inline.at(-1);
    const missed = this.#c && last !== undefined && last[1] === "" && isXattrPrefix(last[0]);
    return missed ? inline.slice(0, -1) : inline;
  }

  /** An attribute as it was before it was written: overlay's own are gone, escaped ones have their names back. */
  #plainXattr(pair: XattrPair): XattrPair[] {
    const [name, value] = pair;
    const own = /^(?:trusted\.overlay\.|user\.)overlay\.(whiteouts?|opaque)$/.exec(name);
    if (own !== null && !(this.#c && own[1] === "opaque")) return [];
    if (!name.startsWith("trusted.overlay.")) return [pair];
    if (!name.startsWith("trusted.overlay.overlay.")) return [];
    return [
      [utf8("trusted.overlay.").concat(name.slice("trusted.overlay.overlay.".length)) as ByteString, value],
    ];
  }

  #checkLinks(): void {
    for (const { node, raw, names } of this.#leaves.values()) {
      const at = raw.nid * SLOT_SIZE;
      if (raw.nlink !== names)
        throw invalid("inode › nlink", at, `it is ${raw.nlink}, but there are ${names} names`);
      if (names > 1 && isWhiteout(node))
        throw invalid("inode › nlink", at, "a whiteout has more than one name");
    }
  }

  /** The first name in the order of a walk is the inode's place. */
  #placeAliases(root: ImageDirectory): ImageDirectory {
    const seen = new Set<ImageNode>();
    const stack = [root.children.entries()];
    const parents = [root];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.next();
      if (next.done === true) {
        stack.pop();
        parents.pop();
        continue;
      }
      const [name, { node }] = next.value;
      if (isDirectory(node)) {
        stack.push(node.children.entries());
        parents.push(node);
      } else if (seen.has(node)) parents.at(-1)?.children.set(name, { node, alias: true });
      else seen.add(node);
    }
    return root;
  }
}
