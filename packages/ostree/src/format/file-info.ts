import { type ByteString, displayName, textOf, utf8 } from "@bootc-store/core";
import type { Xattrs } from "@bootc-store/tree";
import { S_IFMT, TYPE_BITS } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import { gvariant } from "../gvariant/index.ts";
import { xattrList, xattrsOf } from "./xattrs.ts";

/** What a content object is besides its bytes. Directories have the same, without a target. */
export interface FileInfo {
  readonly uid: number;
  readonly gid: number;
  /** With type bits. */
  readonly mode: number;
  readonly xattrs: Xattrs;
  /** Of a symlink. */
  readonly target?: ByteString;
}

/** Every symlink's mode. */
export const SYMLINK_MODE = TYPE_BITS.symlink | 0o777;

export function isSymlink(info: FileInfo): boolean {
  return (info.mode & S_IFMT) === TYPE_BITS.symlink;
}

const FILE_HEADER = gvariant("(uuuusa(ayay))");
const ZLIB_HEADER = gvariant("(tuuuusa(ayay))");
const DIRMETA = gvariant("(uuua(ayay))");
const BIG = { byteOrder: "big" } as const;

/**
 * What is hashed before the bytes of a content object: the length of its header in four bytes, big endian, four zeros,
 * the header. A symlink's target is in the header, and nothing follows it.
 */
export function contentPrefix(info: FileInfo): Uint8Array {
  if (isSymlink(info) || info.xattrs.size > 0) {
    return framed(
      FILE_HEADER.encode([info.uid, info.gid, info.mode, 0, targetText(info), xattrList(info.xattrs)], BIG),
    );
  }
  // The usual case, and the busiest place of a commit: fixed fields, the NUL of an empty target, its end.
  const bytes = new Uint8Array(26);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 18);
  view.setUint32(8, info.uid);
  view.setUint32(12, info.gid);
  view.setUint32(16, info.mode);
  bytes[25] = 17;
  return bytes;
}

/** What a `.filez` begins with; `size` is that of the bytes before compression. */
export function encodeZlibHeader(info: FileInfo, size: number): Uint8Array {
  return framed(
    ZLIB_HEADER.encode(
      [BigInt(size), info.uid, info.gid, info.mode, 0, targetText(info), xattrList(info.xattrs)],
      BIG,
    ),
  );
}

/** Bytes of the header that follows the first eight. Throws `ostree/object-invalid`. */
export function headerLength(start: Uint8Array, fileSize: number, format: string): number {
  if (start.length < 8) throw invalid(format, "it is shorter than the length of its header");
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = view.getUint32(0);
  if (view.getUint32(4) !== 0) throw invalid(format, "padding after the header's length that is not zero");
  if (length + 8 > fileSize) throw invalid(format, `a header of ${length} bytes in a file of ${fileSize}`);
  if (length > MAX_HEADER) throw invalid(format, `a header of ${length} bytes`);
  return length;
}

/** More than all attributes of a file can take. */
const MAX_HEADER = 16 << 20;

/** The header of a `.filez`, without the eight bytes before it. */
export function decodeZlibHeader(header: Uint8Array, format: string): { info: FileInfo; size: number } {
  const [size, uid, gid, mode, rdev, target, xattrs] = ZLIB_HEADER.decode(header, { ...BIG, format });
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(format, `a size of ${size} bytes`);
  return {
    info: checkedInfo({ uid, gid, mode, rdev, target, xattrs: xattrsOf(xattrs, format) }, format),
    size: Number(size),
  };
}

/** A dirmeta object, and the `user.ostreemeta` of a file in a bare-user repository. */
export function encodeDirmeta(info: FileInfo): Uint8Array {
  return DIRMETA.encode([info.uid, info.gid, info.mode, xattrList(info.xattrs)], BIG);
}

/** Throws `ostree/object-invalid` unless it is a directory's. */
export function decodeDirmeta(bytes: Uint8Array, format: string): FileInfo {
  const info = decodeMeta(bytes, format, "sorted");
  if ((info.mode & S_IFMT) !== TYPE_BITS.directory || (info.mode & ~0o47777) !== 0) {
    throw invalid(format, `Invalid directory metadata mode ${info.mode}; not a directory`);
  }
  return info;
}

/** Owner, mode and attributes of anything. */
export function decodeMeta(bytes: Uint8Array, format: string, order: "sorted" | "any" = "any"): FileInfo {
  const [uid, gid, mode, xattrs] = DIRMETA.decode(bytes, { ...BIG, format });
  return { uid, gid, mode, xattrs: xattrsOf(xattrs, format, order) };
}

function checkedInfo(
  raw: { uid: number; gid: number; mode: number; rdev: number; target: string; xattrs: Xattrs },
  format: string,
): FileInfo {
  const { uid, gid, mode, rdev, target, xattrs } = raw;
  checkContentMode(mode, format);
  if (rdev !== 0) throw invalid(format, `a device number of ${rdev}`);
  if ((mode & S_IFMT) === TYPE_BITS.symlink) {
    if (target === "") throw invalid(format, "a symlink without a target");
    return { uid, gid, mode, xattrs, target: utf8(target) };
  }
  if (target !== "") throw invalid(format, "a regular file with a target");
  return { uid, gid, mode, xattrs };
}

/** Throws `ostree/object-invalid` unless a content object can have this mode. */
export function checkContentMode(mode: number, format: string): void {
  const type = mode & S_IFMT;
  if ((type !== TYPE_BITS.file && type !== TYPE_BITS.symlink) || (mode & ~(S_IFMT | 0o7777)) !== 0) {
    throw invalid(format, `Invalid mode ${mode}; not a valid file type`);
  }
}

function framed(header: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setUint32(0, header.length);
  bytes.set(header, 8);
  return bytes;
}

function targetText(info: FileInfo): string {
  if (info.target === undefined) return "";
  const text = textOf(info.target);
  if (text !== undefined) return text;
  throw ostreeErrors.error(
    "name-not-utf8",
    `the target of a symlink is not UTF-8: "${displayName(info.target)}"`,
  );
}

function invalid(format: string, problem: string): Error {
  return ostreeErrors.error("object-invalid", `${format}: ${problem}`, { context: { format } });
}
