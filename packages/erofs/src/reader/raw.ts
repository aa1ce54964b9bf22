import { type ByteString, byteString, equalBytes, StoreError } from "@bootc-store/core";

import { erofsErrors } from "../errors.ts";
import { S_IFDIR, S_IFLNK, S_IFREG, typeOf, type XattrPair } from "../image/node.ts";
import {
  BLOCK_SIZE,
  compactInode,
  composefsHeader,
  extendedInode,
  LAYOUT_CHUNKED,
  LAYOUT_INLINE,
  LAYOUT_PLAIN,
  roundUp,
  SLOT_SIZE,
  superblock,
  SUPERBLOCK_OFFSET,
  XATTR_HEADER_SIZE,
  xattrPrefix,
} from "../layout.ts";

// An image read structure by structure. Every offset and length comes from a stranger: it is compared with the image before
// it is used, nothing is allocated by it, and all that is copied out is paid for from a budget, so that ranges that
// are read again and again cannot cost more than the image is large.

/** An inode as it is stored. */
export interface RawInode {
  readonly nid: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: bigint;
  readonly mtime: { readonly sec: bigint; readonly nsec: number };
  readonly ino: number;
  /** Block, device number or chunk format. */
  readonly u: number;
  readonly layout: number;
  /** Bytes of header and attributes. */
  readonly headSize: number;
  readonly compact: boolean;
  readonly xattrs: { readonly inline: readonly XattrPair[]; readonly shared: readonly XattrPair[] };
}

export interface RawEntry {
  readonly name: ByteString;
  readonly nid: number;
  readonly type: number;
}

const NAME_MAX = 255;
const TARGET_MAX = 4095;

/** A composefs image. Opening it reads the two headers. */
export class RawImage {
  readonly bytes: Uint8Array;
  readonly version: 0 | 1 | 2;
  readonly flags: number;
  readonly rootNid: number;
  readonly inodes: bigint;
  readonly #view: DataView;
  readonly #buildTime: { readonly sec: bigint; readonly nsec: number };
  readonly #xattrBase: number;
  readonly #sharedXattrs = new Map<number, XattrPair>();
  readonly #names = new XattrNames();
  #budget: number;

  /** Throws `erofs/image-invalid`. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#budget = 2 * bytes.length + 65_536;
    const header = checked(() => composefsHeader.decode(bytes));
    const block = checked(() => superblock.decode(bytes, SUPERBLOCK_OFFSET));
    this.version = header.composefsVersion as 0 | 1 | 2;
    this.flags = header.flags;
    this.rootNid = block.rootNid;
    this.inodes = block.inodes;
    this.#buildTime = { sec: BigInt.asIntN(64, block.buildTime), nsec: block.buildTimeNsec };
    this.#xattrBase = block.xattrBlock * BLOCK_SIZE;
    if (block.blocks * BLOCK_SIZE !== bytes.length) {
      throw invalid(
        "superblock › blocks",
        SUPERBLOCK_OFFSET + 36,
        `the image has ${bytes.length} bytes, but ${block.blocks} blocks are recorded`,
      );
    }
  }

  /** Throws `erofs/image-invalid`. */
  inode(nid: number): RawInode {
    const at = nid * SLOT_SIZE;
    const format = at + 2 <= this.bytes.length ? this.#view.getUint16(at, true) : 0;
    const compact = (format & 1) === 0;
    const table = compact ? compactInode : extendedInode;
    if (at < SUPERBLOCK_OFFSET + superblock.size || at + table.size > this.bytes.length) {
      throw invalid("inode", at, `the number ${nid} is outside of the image`);
    }
    const layout = format >> 1;
    if (layout !== LAYOUT_PLAIN && layout !== LAYOUT_INLINE && layout !== LAYOUT_CHUNKED) {
      throw invalid("inode › format", at, `unknown layout ${layout}`);
    }
    const fields = compact ? this.#compactFields(at) : this.#extendedFields(at);
    const xattrCount = this.#view.getUint16(at + 2, true);
    const xattrSize = xattrCount === 0 ? 0 : XATTR_HEADER_SIZE + 4 * (xattrCount - 1);
    const headSize = table.size + xattrSize;
    if (at + headSize > this.bytes.length)
      throw invalid("inode › xattrCount", at + 2, "the attributes end after the image");
    if (layout !== LAYOUT_CHUNKED && fields.size > BigInt(this.bytes.length)) {
      throw invalid("inode › size", at + 8, `${fields.size} bytes are more than the image has`);
    }
    if (layout === LAYOUT_CHUNKED && typeOf(fields) !== S_IFREG) {
      throw invalid("inode › format", at, "only regular files can be chunked");
    }
    const xattrs = this.#xattrs(at + table.size, xattrSize);
    const { mode, nlink, uid, gid, size, mtime, ino, u } = fields;
    return { nid, mode, nlink, uid, gid, size, mtime, ino, u, layout, headSize, compact, xattrs };
  }

  /** The bytes of a file, directory or symlink that is not chunked, a view where they are in one piece. */
  content(inode: RawInode): Uint8Array {
    const size = Number(inode.size);
    const at = inode.nid * SLOT_SIZE;
    const inBlocks = inode.layout === LAYOUT_INLINE ? size - (size % BLOCK_SIZE) : size;
    const tailSize = size - inBlocks;
    const blocks =
      inBlocks === 0
        ? this.bytes.subarray(0, 0)
        : this.#range(inode.u * BLOCK_SIZE, inBlocks, "inode › u", at + 16);
    if (tailSize === 0) return blocks;
    const tail = this.#range(at + inode.headSize, tailSize, "inode › size", at + 8);
    if (inBlocks === 0) return tail;
    const whole = new Uint8Array(size);
    whole.set(blocks);
    whole.set(tail, inBlocks);
    return whole;
  }

  /** A symlink's target. */
  target(inode: RawInode): ByteString {
    const at = inode.nid * SLOT_SIZE + 8;
    const most = this.version === 2 ? 1024 : TARGET_MAX;
    if (typeOf(inode) !== S_IFLNK || inode.size < 1n || inode.size > BigInt(most)) {
      throw invalid("symlink › size", at, `a target of ${inode.size} bytes`);
    }
    const target = byteString(this.content(inode));
    if (target.includes("\0")) throw invalid("symlink", at, "a target with a NUL byte");
    return target;
  }

  /** The entries of a directory in their order, "." and ".." included, which must be that of the bytes. */
  entries(inode: RawInode): RawEntry[] {
    const at = inode.nid * SLOT_SIZE;
    if (typeOf(inode) !== S_IFDIR) throw invalid("directory", at, "this inode is none");
    const bytes = this.content(inode);
    const entries: RawEntry[] = [];
    for (let start = 0; start < bytes.length; start += BLOCK_SIZE) {
      this.#blockEntries(bytes.subarray(start, Math.min(start + BLOCK_SIZE, bytes.length)), at, entries);
    }
    return entries;
  }

  #blockEntries(block: Uint8Array, at: number, entries: RawEntry[]): void {
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    const first = block.length >= 12 ? view.getUint16(8, true) : 0;
    if (first < 12 || first % 12 !== 0 || first > block.length) {
      throw invalid("directory › name offset", at, `a first name at ${first}`);
    }
    const count = first / 12;
    for (let index = 0; index < count; index++) {
      const row = 12 * index;
      const start = view.getUint16(row + 8, true);
      const nul = index + 1 === count && start <= block.length ? block.indexOf(0, start) : -1;
      const end = index + 1 < count ? view.getUint16(row + 20, true) : nul < 0 ? block.length : nul;
      if (start < first || end <= start || end > block.length || end - start > NAME_MAX) {
        throw invalid("directory › name offset", at, `a name from ${start} to ${end}`);
      }
      const name = byteString(block.subarray(start, end));
      const previous = entries.at(-1)?.name;
      if (name.includes("/") || name.includes("\0") || (previous !== undefined && name <= previous)) {
        throw invalid("directory › name", at, "a name is no name, or out of order");
      }
      const nid = view.getUint32(row, true);
      if (view.getUint32(row + 4, true) !== 0 || nid > this.bytes.length / SLOT_SIZE) {
        const number = view.getBigUint64(row, true);
        throw invalid("directory › nid", at, `the number ${number} is outside of the image`);
      }
      entries.push({ name, nid, type: block[row + 10] ?? 0 });
    }
  }

  #compactFields(at: number) {
    const { mode, nlink, size, u, ino, uid, gid } = compactInode.decode(this.bytes, at);
    return { mode, nlink, size: BigInt(size), u, ino, uid, gid, mtime: this.#buildTime };
  }

  #extendedFields(at: number) {
    const { mode, nlink, size, u, ino, uid, gid, mtime, mtimeNsec } = extendedInode.decode(this.bytes, at);
    return { mode, nlink, size, u, ino, uid, gid, mtime: { sec: mtime, nsec: mtimeNsec } };
  }

  #xattrs(start: number, size: number): RawInode["xattrs"] {
    if (size === 0) return NO_XATTRS;
    const end = start + size;
    const count = this.bytes[start + 4] ?? 0;
    let at = start + XATTR_HEADER_SIZE;
    if (at + 4 * count > end) throw invalid("xattrs › shared count", start + 4, `${count} do not fit`);
    const shared: XattrPair[] = [];
    for (let index = 0; index < count; index++, at += 4) {
      shared.push(this.#sharedXattr(this.#view.getUint32(at, true), at));
    }
    const inline: XattrPair[] = [];
    while (at < end) {
      const { pair, next } = this.#xattr(at, end);
      inline.push(pair);
      at = next;
    }
    return { inline, shared };
  }

  #sharedXattr(reference: number, at: number): XattrPair {
    const offset = this.#xattrBase + 4 * reference;
    let pair = this.#sharedXattrs.get(offset);
    if (pair === undefined) {
      if (offset >= this.bytes.length)
        throw invalid("xattrs › shared", at, "a reference outside of the image");
      pair = this.#xattr(offset, this.bytes.length).pair;
      this.#sharedXattrs.set(offset, pair);
    }
    return pair;
  }

  #xattr(at: number, end: number): { readonly pair: XattrPair; readonly next: number } {
    const nameSize = at + 4 <= end ? (this.bytes[at] ?? 0) : 0;
    const valueSize = at + 4 <= end ? this.#view.getUint16(at + 2, true) : 0;
    const next = roundUp(at + 4 + nameSize + valueSize, 4);
    const prefix = xattrPrefix(this.bytes[at + 1] ?? 0);
    if (at + 4 > end || next > end) throw invalid("xattr", at, "it ends after the attributes");
    if (prefix === undefined)
      throw invalid("xattr › prefix", at + 1, `unknown prefix ${this.bytes[at + 1] ?? 0}`);
    const suffix = this.#range(at + 4, nameSize, "xattr", at);
    const value = byteString(this.#range(at + 4 + nameSize, valueSize, "xattr", at));
    return { pair: [this.#names.get(prefix, suffix), value], next };
  }

  #range(offset: number, size: number, field: string, at: number): Uint8Array {
    if (offset + size > this.bytes.length) throw invalid(field, at, "the content ends after the image");
    this.#budget -= size;
    if (this.#budget < 0) throw invalid(field, at, "ranges of the image are used over and over");
    return this.bytes.subarray(offset, offset + size);
  }
}

/** How many names of one length are remembered. */
const REMEMBERED = 16;

/** Names of attributes are few and come again and again, so each is made once. */
class XattrNames {
  readonly #known = new Map<string, { readonly suffix: Uint8Array; readonly name: ByteString }[][]>();

  get(prefix: string, suffix: Uint8Array): ByteString {
    let lengths = this.#known.get(prefix);
    if (lengths === undefined) {
      lengths = [];
      this.#known.set(prefix, lengths);
    }
    const names = (lengths[suffix.length] ??= []);
    const found = names.find((one) => equalBytes(one.suffix, suffix));
    if (found !== undefined) return found.name;
    const name = `${prefix}${byteString(suffix)}` as ByteString;
    if (names.length < REMEMBERED) names.push({ suffix, name });
    return name;
  }
}

const NO_XATTRS: RawInode["xattrs"] = { inline: [], shared: [] };

export function invalid(field: string, offset: number, problem: string): StoreError<"erofs/image-invalid"> {
  return erofsErrors.error(
    "image-invalid",
    `EROFS image › ${field} at 0x${offset.toString(16)}: ${problem}`,
    {
      context: { field, offset },
    },
  );
}

function checked<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw erofsErrors.error("image-invalid", error.message, { context: error.context, cause: error });
  }
}
