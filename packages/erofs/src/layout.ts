// The structures of an EROFS image as composefs writes and reads it. Only what composefs uses is named; the rest of
// each structure is zero. (Linux, fs/erofs/erofs_fs.h; composefs, lcfs-erofs.h.)

import {
  allZero,
  any,
  bytesField,
  equals,
  field,
  flags,
  i64le,
  oneOf,
  struct,
  u16le,
  u32le,
  u64le,
  u8,
} from "@bootc-store/core/codec";

export const BLOCK_SIZE = 4096;
/** Inodes begin at multiples of this; an inode's number is its offset in this unit. */
export const SLOT_SIZE = 32;
export const SUPERBLOCK_OFFSET = 1024;
export const INODES_OFFSET = 1152;
export const XATTR_HEADER_SIZE = 12;

export const COMPOSEFS_MAGIC = 0xd078629a;
export const EROFS_MAGIC = 0xe0f5e1e2;
/** Some inode has a POSIX access control list. */
export const FLAG_HAS_ACL = 1;
/** mtime instead of ctime; a filter of attribute names in each inode. */
export const FEATURE_COMPAT = 6;

/** How an inode's content is stored: in blocks, with the last part behind the inode, or by chunk indexes. */
export const LAYOUT_PLAIN = 0;
export const LAYOUT_INLINE = 2;
export const LAYOUT_CHUNKED = 4;

/** A chunk that is stored nowhere. */
export const NULL_CHUNK = 0xffff_ffff;

export const composefsHeader = struct("composefs header", 32, [
  field("magic", 0, u32le, equals(COMPOSEFS_MAGIC), "identifies a composefs image"),
  field("version", 4, u32le, equals(1), "of this header"),
  field("flags", 8, u32le, flags(FLAG_HAS_ACL), "1: some inode has an access control list"),
  field("composefsVersion", 12, u32le, oneOf(0, 1, 2), "format of the image"),
  field("_unused", 16, bytesField(16), allZero, "zero"),
]);

export const superblock = struct("EROFS superblock", 128, [
  field("magic", 0, u32le, equals(EROFS_MAGIC), "identifies the file system"),
  field("checksum", 4, u32le, any, "not used by composefs"),
  field("featureCompat", 8, u32le, flags(7), "checksum, mtime, xattr filter"),
  field("blockBits", 12, u8, equals(12), "block size as a power of two"),
  field("extraSlots", 13, u8, equals(0), "more superblock"),
  field("rootNid", 14, u16le, any, "number of the root's inode"),
  field("inodes", 16, u64le, any, "how many inodes there are"),
  field("buildTime", 24, u64le, any, "seconds: mtime of compact inodes"),
  field("buildTimeNsec", 32, u32le, any, "nanoseconds of it"),
  field("blocks", 36, u32le, any, "size of the image in blocks"),
  field("metaBlock", 40, u32le, equals(0), "block that inode numbers count from"),
  field("xattrBlock", 44, u32le, any, "block that shared attributes count from"),
  field("_names", 48, bytesField(32), any, "UUID and volume name"),
  field("featureIncompat", 80, u32le, flags(4), "chunked files"),
  field("_compression", 84, u16le, equals(0), "algorithms"),
  field("_extraDevices", 86, u16le, equals(0), "how many devices"),
  field("_deviceSlot", 88, u16le, any, "offset of the device table"),
  field("_dirBlockBits", 90, u8, equals(0), "directory blocks"),
  field("_xattrPrefixCount", 91, u8, equals(0), "long attribute prefixes"),
  field("_xattrPrefixStart", 92, u32le, any, "where they are"),
  field("_packedNid", 96, u64le, equals(0n), "inode with packed tails"),
  field("_reserved", 104, bytesField(24), any, "reserved"),
]);

export const compactInode = struct("compact inode", 32, [
  field("format", 0, u16le, any, "layout and form"),
  field("xattrCount", 2, u16le, any, "size of the attributes"),
  field("mode", 4, u16le, any, "type and permissions"),
  field("nlink", 6, u16le, any, "names"),
  field("size", 8, u32le, any, "bytes"),
  field("_reserved", 12, u32le, any, "zero"),
  field("u", 16, u32le, any, "block, device number or chunk format"),
  field("ino", 20, u32le, any, "number for stat"),
  field("uid", 24, u16le, any, "owner"),
  field("gid", 26, u16le, any, "group"),
  field("_reserved2", 28, u32le, any, "zero"),
]);

export const extendedInode = struct("extended inode", 64, [
  field("format", 0, u16le, any, "layout and form"),
  field("xattrCount", 2, u16le, any, "size of the attributes"),
  field("mode", 4, u16le, any, "type and permissions"),
  field("_reserved", 6, u16le, any, "zero"),
  field("size", 8, u64le, any, "bytes"),
  field("u", 16, u32le, any, "block, device number or chunk format"),
  field("ino", 20, u32le, any, "number for stat"),
  field("uid", 24, u32le, any, "owner"),
  field("gid", 28, u32le, any, "group"),
  field("mtime", 32, i64le, any, "seconds"),
  field("mtimeNsec", 40, u32le, any, "nanoseconds"),
  field("nlink", 44, u32le, any, "names"),
  field("_reserved2", 48, bytesField(16), any, "zero"),
]);

/** The tables of an image's structures, for those who show or document them. */
export const imageTables = Object.freeze({ composefsHeader, superblock, compactInode, extendedInode });

/** Names that EROFS shortens to a number. The first that a key begins with counts. */
const PREFIXES = [
  "user.",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "trusted.",
  "lustre.",
  "security.",
];
const LUSTRE = 5;

/** The number and the rest of an attribute's name. Only format 2 shortens `lustre.`. */
export function splitXattrName(name: string, version: 0 | 1 | 2): readonly [index: number, suffix: string] {
  for (const [at, prefix] of PREFIXES.entries()) {
    const index = at + 1;
    if (name.startsWith(prefix) && (index !== LUSTRE || version === 2))
      return [index, name.slice(prefix.length)];
  }
  return [0, name];
}

/** The prefix of a number; `undefined` if EROFS has none. */
export function xattrPrefix(index: number): string | undefined {
  return index === 0 ? "" : PREFIXES[index - 1];
}

/** Whether a name is a prefix and nothing else. */
export function isXattrPrefix(name: string): boolean {
  return name === "" || PREFIXES.includes(name);
}

export function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
