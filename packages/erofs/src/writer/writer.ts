import type { ByteString } from "@bootc-store/core";

import { type ImageDirectory, S_IFBLK, S_IFCHR, typeOf } from "../image/node.ts";
import {
  BLOCK_SIZE,
  COMPOSEFS_MAGIC,
  composefsHeader,
  EROFS_MAGIC,
  FEATURE_COMPAT,
  FLAG_HAS_ACL,
  LAYOUT_CHUNKED,
  NULL_CHUNK,
  roundUp,
  SLOT_SIZE,
  superblock,
  SUPERBLOCK_OFFSET,
  XATTR_HEADER_SIZE,
} from "../layout.ts";
import { packDirectory } from "./directory.ts";
import { type Placed, placeInodes } from "./place.ts";
import { type Entry, entryType, hasWhiteout, type Inode, prepareInodes } from "./prepare.ts";
import { composefsRsWriter, cWriter, type WriterRules } from "./rules.ts";
import { type XattrArea, XattrTable } from "./xattrs.ts";

/**
 * Which image is wanted. Nothing defaults to the newest.
 *
 * - `c`: as libcomposefs writes it, between these versions: 1 if there is a whiteout and it may be, else the least.
 *   `mkcomposefs` without options has 0 and 1.
 * - `composefs-rs`: format 0 (V0), 1 (V1) or 2 (V2).
 */
export type ImageFormat =
  | { readonly writer: "c"; readonly minVersion: 0 | 1; readonly maxVersion: 0 | 1 }
  | { readonly writer: "composefs-rs"; readonly version: 0 | 1 | 2 };

/** The format of `mkcomposefs` without options. */
export const C_DEFAULT_FORMAT: ImageFormat = Object.freeze({ writer: "c", minVersion: 0, maxVersion: 1 });

/** How many chunk indexes there are where they did not fit behind the inode. */
const MOVED_CHUNKS = 1024;

/**
 * The bytes of an image. The same tree gives the same bytes, byte for byte those of the program that the format names.
 * Throws `erofs/file-too-large`, `erofs/value-unsupported`.
 */
export function writeImage(root: ImageDirectory, format: ImageFormat): Uint8Array<ArrayBuffer> {
  const rules = format.writer === "c" ? cWriter : composefsRsWriter;
  const version = versionOf(root, format);
  const inodes = prepareInodes(root, rules, version);
  const xattrs = new XattrTable(inodes, rules, version);
  const { placed, inodesEnd, minMtime } = placeInodes(inodes, xattrs, rules, version);
  const dataStart = roundUp(inodesEnd + xattrs.size, BLOCK_SIZE);
  let blocks = dataStart / BLOCK_SIZE;
  const blockOf = placed.map((one) => {
    const block = one.blocks > 0 ? blocks : 0;
    blocks += one.blocks;
    return block;
  });
  const out = new Emitter(blocks * BLOCK_SIZE);
  composefsHeader.encode(
    {
      magic: COMPOSEFS_MAGIC,
      version: 1,
      flags: version !== 2 && inodes.some((inode) => hasAcl(inode, rules)) ? FLAG_HAS_ACL : 0,
      composefsVersion: version,
    },
    out.bytes,
  );
  superblock.encode(
    {
      magic: EROFS_MAGIC,
      checksum: 0,
      featureCompat: FEATURE_COMPAT,
      blockBits: 12,
      extraSlots: 0,
      rootNid: (placed[0]?.offset ?? 0) / SLOT_SIZE,
      inodes: BigInt(placed.length),
      buildTime: version === 2 ? 0n : BigInt.asUintN(64, minMtime.sec),
      buildTimeNsec: version === 2 ? 0 : minMtime.nsec,
      blocks,
      metaBlock: 0,
      xattrBlock: version === 2 ? 0 : Math.floor(inodesEnd / BLOCK_SIZE),
      featureIncompat: 0,
    },
    out.bytes,
    SUPERBLOCK_OFFSET,
  );

  const nids = placed.map(({ offset }) => offset / SLOT_SIZE);
  const xattrBase = version === 2 ? inodesEnd : inodesEnd % BLOCK_SIZE;
  for (const [index, one] of placed.entries()) {
    const block = blockOf[index] ?? 0;
    const ino = version === 2 ? one.offset / SLOT_SIZE : index;
    const area = xattrs.areaOf(one.inode);
    const headerEnd = writeInode(out, one, area, ino, block, version);
    writeXattrs(out, headerEnd, area, xattrBase);
    writeContent(out, one, block * BLOCK_SIZE, nids);
  }
  let at = inodesEnd;
  for (const { index, suffix, value, size } of xattrs.shared) {
    writeXattr(out, at, index, suffix, value);
    at += size;
  }
  return out.bytes;
}

function versionOf(root: ImageDirectory, format: ImageFormat): 0 | 1 | 2 {
  if (format.writer === "composefs-rs") return format.version;
  const { minVersion, maxVersion } = format;
  return minVersion < 1 && maxVersion >= 1 && hasWhiteout(root) ? 1 : minVersion;
}

function hasAcl({ xattrs }: Inode, rules: WriterRules): boolean {
  return xattrs.some(([name]) =>
    ["system.posix_acl_access", "system.posix_acl_default"].some((acl) =>
      rules.aclByPrefix ? name.startsWith(acl) : name === acl,
    ),
  );
}

/** A buffer with the few writes that an image is made of. */
class Emitter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  text(at: number, text: string): void {
    for (let index = 0; index < text.length; index++) this.bytes[at + index] = text.charCodeAt(index);
  }

  chunks(at: number, count: number): void {
    for (let index = 0; index < count; index++) this.view.setUint32(at + 4 * index, NULL_CHUNK, true);
  }
}

/** Writes the header, and returns where it ends. */
function writeInode(
  out: Emitter,
  one: Placed,
  area: XattrArea,
  ino: number,
  block: number,
  version: 0 | 1 | 2,
): number {
  const { inode, compact, layout, offset: at, size, nlink } = one;
  const { uid, gid, mtime } = inode.node;
  const { view } = out;
  const xattrCount = area.size === 0 ? 0 : (area.size - XATTR_HEADER_SIZE) / 4 + 1;
  const u = contentField(one, block);
  view.setUint16(at, (layout << 1) | (compact ? 0 : 1), true);
  view.setUint16(at + 2, xattrCount, true);
  view.setUint16(at + 4, inode.mode, true);
  if (compact) {
    view.setUint16(at + 6, nlink, true);
    view.setUint32(at + 8, Number(size), true);
    view.setUint32(at + 16, u, true);
    view.setUint32(at + 20, ino, true);
    view.setUint16(at + 24, uid, true);
    view.setUint16(at + 26, gid, true);
    return at + 32;
  }
  view.setBigUint64(at + 8, size, true);
  view.setUint32(at + 16, u, true);
  view.setUint32(at + 20, ino, true);
  view.setUint32(at + 24, uid, true);
  view.setUint32(at + 28, gid, true);
  view.setBigInt64(at + 32, BigInt.asIntN(64, mtime.sec), true);
  view.setUint32(at + 40, version === 2 ? 0 : mtime.nsec, true);
  view.setUint32(at + 44, nlink, true);
  return at + 64;
}

function contentField({ inode, chunkFormat, layout }: Placed, block: number): number {
  const type = typeOf(inode);
  if (type === S_IFCHR || type === S_IFBLK) return inode.node.rdev;
  // The chunk format is written over the lower half of the block address, which stays there where there is one.
  return layout === LAYOUT_CHUNKED ? ((block & 0xffff_0000) | (chunkFormat ?? 0)) >>> 0 : block;
}

function writeXattrs(out: Emitter, start: number, area: XattrArea, base: number): void {
  if (area.size === 0) return;
  out.view.setUint32(start, area.filter, true);
  out.bytes[start + 4] = area.shared.length;
  let at = start + XATTR_HEADER_SIZE;
  for (const { offset } of area.shared) {
    out.view.setUint32(at, (base + (offset ?? 0)) / 4, true);
    at += 4;
  }
  for (const { index, suffix, value, size } of area.inline) {
    writeXattr(out, at, index, suffix, value);
    at += size;
  }
}

function writeXattr(out: Emitter, at: number, index: number, suffix: string, value: ByteString): void {
  out.bytes[at] = suffix.length;
  out.bytes[at + 1] = index;
  out.view.setUint16(at + 2, value.length, true);
  out.text(at + 4, suffix);
  out.text(at + 4 + suffix.length, value);
}

function writeContent(out: Emitter, one: Placed, data: number, nids: readonly number[]): void {
  const { inode, tail, blocks, layout } = one;
  const behind = one.offset + one.headSize;
  const { target, content } = inode.node;
  if (inode.entries !== undefined) {
    const packed = packDirectory(inode.entries);
    for (const [index, entries] of packed.blocks.entries())
      writeEntries(out, data + index * BLOCK_SIZE, entries, nids);
    // A tail that found no room behind the inode has a block of its own.
    const moved = blocks > packed.blocks.length;
    writeEntries(out, moved ? data + packed.blocks.length * BLOCK_SIZE : behind, packed.tail, nids);
  } else if (target !== undefined) out.text(blocks > 0 ? data : behind, target);
  else if (layout === LAYOUT_CHUNKED)
    out.chunks(blocks > 0 ? data : behind, blocks > 0 ? MOVED_CHUNKS : tail / 4);
  else if (content !== undefined) {
    const inBlocks = content.length - tail;
    out.bytes.set(content.subarray(0, inBlocks), data);
    out.bytes.set(content.subarray(inBlocks), behind);
  }
}

function writeEntries(out: Emitter, start: number, entries: readonly Entry[], nids: readonly number[]): void {
  let at = start;
  let nameAt = 12 * entries.length;
  for (const { name, inode } of entries) {
    out.view.setUint32(at, nids[inode.index] ?? 0, true);
    out.view.setUint16(at + 8, nameAt, true);
    out.bytes[at + 10] = entryType(inode);
    out.text(start + nameAt, name);
    nameAt += name.length;
    at += 12;
  }
}
