import type { ByteString } from "@bootc-store/core";

import type { XattrPair } from "../image/node.ts";
import { roundUp, splitXattrName, XATTR_HEADER_SIZE } from "../layout.ts";
import { xxh32 } from "../xxh32.ts";
import type { Inode } from "./prepare.ts";
import type { WriterRules } from "./rules.ts";

/** Added to the number of the prefix it seeds the hash of a name. */
export const FILTER_SEED = 0x25bbe08f;

/** One attribute as it is written. */
interface Encoded {
  readonly index: number;
  readonly suffix: string;
  readonly name: ByteString;
  readonly value: ByteString;
  /** Bytes of the entry, padding included. */
  readonly size: number;
  /** Bit of the inode's filter that says the name may be there. */
  readonly filterBit: number;
  uses: number;
  /** From the start of the shared table; `undefined` if it is not shared. */
  offset: number | undefined;
}

export interface XattrArea {
  readonly shared: readonly Encoded[];
  readonly inline: readonly Encoded[];
  /** Bytes, header included; 0 if there is nothing. */
  readonly size: number;
  readonly filter: number;
}

/** All attributes of an image: which are shared, and what each inode has. */
export class XattrTable {
  /** In the order of the table. */
  readonly shared: readonly Encoded[];
  /** Bytes of the table. */
  readonly size: number;
  /** By the place of the inode. */
  readonly #areas: readonly XattrArea[];

  constructor(inodes: readonly Inode[], rules: WriterRules, version: 0 | 1 | 2) {
    const known = new Map<ByteString, KnownName>();
    const encodedOf = ([name, value]: XattrPair): Encoded => {
      let of = known.get(name);
      if (of === undefined) {
        of = knownName(name, version);
        known.set(name, of);
      }
      let encoded = of.values.get(value);
      if (encoded === undefined) {
        encoded = encode(name, value, of);
        of.values.set(value, encoded);
      }
      encoded.uses++;
      return encoded;
    };
    const lists = inodes.map((inode) => inode.xattrs.map(encodedOf));
    const shared: Encoded[] = [];
    for (const { values } of known.values()) {
      for (const encoded of values.values()) if (encoded.uses > 1) shared.push(encoded);
    }
    this.shared = shared.sort(version === 2 ? byPrefix : byNameDescending);
    let size = 0;
    for (const encoded of this.shared) {
      encoded.offset = size;
      size += encoded.size;
    }
    this.size = size;
    this.#areas = lists.map((list) => areaOf(list, rules));
  }

  areaOf(inode: Inode): XattrArea {
    return this.#areas[inode.index] ?? NO_XATTRS;
  }
}

const NO_XATTRS: XattrArea = { shared: [], inline: [], size: 0, filter: 0 };

function areaOf(list: readonly Encoded[], rules: WriterRules): XattrArea {
  if (list.length === 0) return NO_XATTRS;
  const shared: Encoded[] = [];
  const inline: Encoded[] = [];
  let filter = 0xffff_ffff;
  let size = XATTR_HEADER_SIZE;
  for (const encoded of list) {
    filter &= ~(1 << encoded.filterBit);
    if (encoded.offset !== undefined && shared.length < rules.sharedLimit) {
      shared.push(encoded);
      size += 4;
    } else {
      inline.push(encoded);
      size += encoded.size;
    }
  }
  return { shared, inline, size, filter: filter >>> 0 };
}

/** What all attributes of a name have in common, and they by their values. */
interface KnownName {
  readonly index: number;
  readonly suffix: string;
  readonly filterBit: number;
  readonly values: Map<ByteString, Encoded>;
}

function knownName(name: ByteString, version: 0 | 1 | 2): KnownName {
  const [index, suffix] = splitXattrName(name, version);
  return { index, suffix, filterBit: xxh32(suffix, FILTER_SEED + index) & 31, values: new Map() };
}

function encode(name: ByteString, value: ByteString, { index, suffix, filterBit }: KnownName): Encoded {
  const size = roundUp(4 + suffix.length + value.length, 4);
  return { index, suffix, name, value, size, filterBit, uses: 0, offset: undefined };
}

function byNameDescending(a: Encoded, b: Encoded): number {
  return compareText(b.name, a.name) || b.value.length - a.value.length || compareText(b.value, a.value);
}

function byPrefix(a: Encoded, b: Encoded): number {
  return a.index - b.index || compareText(a.suffix, b.suffix) || compareText(a.value, b.value);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
