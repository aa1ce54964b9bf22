// An image as a tree of nodes.

import { type ByteString, bytesOf, utf8 } from "@bootc-store/core";

import {
  type ExternalFile,
  type ImageDirectory,
  type ImageNode,
  isWhiteout,
  S_IFBLK,
  S_IFCHR,
  S_IFLNK,
  S_IFREG,
  typeOf,
  type XattrPair,
} from "../image/node.ts";
import { isXattrPrefix, LAYOUT_CHUNKED } from "../layout.ts";
import { checkMetacopy, payloadOf } from "./external.ts";
import { RawImage, type RawInode } from "./raw.ts";
import {
  contentOf,
  type ImageBuilder,
  isWhiteoutInode,
  type ReadImageOptions,
  walkImage,
  xattrOf,
} from "./walker.ts";

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
  const root = walkImage(image, options, new NodeBuilder(image, options));
  return { version: image.version, root };
}

class NodeBuilder implements ImageBuilder<ImageDirectory, ImageNode> {
  readonly #image: RawImage;
  readonly #c: boolean;
  /** What attributes are called outside of an image, by their names there; undefined for those that are overlay's own. */
  readonly #plain = new Map<ByteString, ByteString | undefined>();

  constructor(image: RawImage, options: ReadImageOptions) {
    this.#image = image;
    this.#c = options.dialect === "c";
  }

  directory(raw: RawInode): ImageDirectory {
    return { ...this.#common(raw), children: new Map() };
  }

  isWhiteout(leaf: ImageNode): boolean {
    return isWhiteout(leaf);
  }

  /** The first name in the order of a walk is the inode's place. */
  add(parent: ImageDirectory, name: ByteString, node: ImageNode, again: boolean): void {
    parent.children.set(name, { node, alias: again });
  }

  leaf(raw: RawInode): ImageNode {
    const common = this.#common(raw);
    const type = typeOf(raw);
    if (type === S_IFLNK) return { ...common, target: this.#image.target(raw) };
    if (type === S_IFCHR || type === S_IFBLK) return { ...common, rdev: raw.u };
    if (type !== S_IFREG) return common;
    if (isWhiteoutInode(raw)) return { ...common, mode: S_IFCHR | (raw.mode & 0o7777), rdev: 0, size: 0n };
    const external = this.#external(raw);
    if (external !== undefined) return { ...common, external };
    if (raw.size === 0n) return common;
    return { ...common, content: contentOf(this.#image, raw, this.#c).slice() };
  }

  #external(raw: RawInode): ExternalFile | undefined {
    const metacopy = xattrOf(raw, "trusted.overlay.metacopy") ?? "";
    const digest = metacopy === "" ? undefined : this.#digest(raw, metacopy);
    const path = payloadOf(raw, this.#c || digest !== undefined);
    if (digest === undefined && path === undefined && raw.layout !== LAYOUT_CHUNKED) return undefined;
    return {
      ...(path === undefined ? {} : { payload: path }),
      ...(digest === undefined ? {} : { digest }),
    };
  }

  #digest(raw: RawInode, metacopy: ByteString): Uint8Array | undefined {
    if (this.#c && metacopy.length !== 36) return undefined;
    if (!this.#c) checkMetacopy(raw, metacopy);
    return bytesOf(metacopy.slice(4) as ByteString);
  }

  #common(raw: RawInode): ImageNode {
    const { mode, nlink, uid, gid, size, mtime } = raw;
    const xattrs: XattrPair[] = [];
    for (const pair of this.#inlineXattrs(raw)) this.#addPlain(pair, xattrs);
    for (const pair of raw.xattrs.shared) this.#addPlain(pair, xattrs);
    return { mode, nlink, uid, gid, rdev: 0, size, mtime, xattrs };
  }

  /** The C reader does not see a last attribute that has nothing but its prefix. */
  #inlineXattrs({ xattrs: { inline } }: RawInode): readonly XattrPair[] {
    const last = inline.at(-1);
    const missed = this.#c && last !== undefined && last[1] === "" && isXattrPrefix(last[0]);
    return missed ? inline.slice(0, -1) : inline;
  }

  /** An attribute as it was before it was written: overlay's own are gone, escaped ones have their names back. */
  #addPlain(pair: XattrPair, to: XattrPair[]): void {
    const [name, value] = pair;
    let plain = this.#plain.get(name);
    if (plain === undefined && !this.#plain.has(name)) {
      plain = plainName(name, this.#c);
      if (this.#plain.size < REMEMBERED) this.#plain.set(name, plain);
    }
    if (plain === name) to.push(pair);
    else if (plain !== undefined) to.push([plain, value]);
  }
}

/** Names are few, unless somebody wants to fill the memory with them. */
const REMEMBERED = 256;
const ESCAPED = "trusted.overlay.overlay.";

function plainName(name: ByteString, c: boolean): ByteString | undefined {
  const own = /^(?:trusted\.overlay\.|user\.)overlay\.(whiteouts?|opaque)$/.exec(name);
  if (own !== null && !(c && own[1] === "opaque")) return undefined;
  if (!name.startsWith("trusted.overlay.")) return name;
  if (!name.startsWith(ESCAPED)) return undefined;
  return utf8("trusted.overlay.").concat(name.slice(ESCAPED.length)) as ByteString;
}
