// One 512-byte header block. POSIX ustar, GNU and star headers share their first 257 bytes; the magic tells
// what the rest means. Offsets are bytes; `[M]` of the reference tools decides where documents differ.
//
//   name 0,100  mode 100,8  uid 108,8  gid 116,8  size 124,12  mtime 136,12  checksum 148,8  type 156,1
//   link 157,100  magic 257,6  version 263,2  uname 265,32  gname 297,32  major 329,8  minor 337,8
//   ustar: prefix 345,155   star: prefix 345,131, then times, "tar\0" at 508
//   GNU: atime 345,12  ctime 357,12  sparse 386, 4 × (offset 12, size 12)  more 482,1  real size 483,12

import type { ByteString } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { TarFormat } from "./entry.ts";
import { latin1 } from "./latin1.ts";
import { parseNumber, parseOctal } from "./number.ts";

export const BLOCK = 512;

/** A header block as it stands, before extended headers are applied. */
export interface RawHeader {
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly typeflag: number;
  readonly linkName: ByteString;
  readonly format: TarFormat;
  readonly uname: ByteString;
  readonly gname: ByteString;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** Whether a block is all zeros, as the two are that end a tar. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let at = 0; at < BLOCK; at++) if (block[at] !== 0) return false;
  return true;
}

/** Throws `oci/tar-header-invalid`; `offset` is where the block lies in the tar, for the message. */
export function parseHeader(block: Uint8Array, offset: number): RawHeader {
  checkChecksum(block, offset);
  const number = (field: string, at: number, size: number): number => {
    const value = parseNumber(block.subarray(at, at + size));
    if (value === undefined) throw invalid(offset, `${field} is not a number that a file can have`);
    return value;
  };
  const format = formatOf(block);
  const extended = format !== "v7";
  let name = string(block, 0, 100);
  if (format === "ustar" || format === "star") {
    const prefix = string(block, 345, format === "star" ? 131 : 155);
    if (prefix !== "") name = `${prefix}/${name}` as ByteString;
  }
  const size = number("size", 124, 12);
  if (size < 0) throw invalid(offset, "size is negative");
  const header: RawHeader = {
    name,
    mode: number("mode", 100, 8),
    uid: number("uid", 108, 8),
    gid: number("gid", 116, 8),
    size,
    mtime: number("mtime", 136, 12),
    typeflag: block[156] as number,
    linkName: string(block, 157, 100),
    format,
    uname: extended ? string(block, 265, 32) : ("" as ByteString),
    gname: extended ? string(block, 297, 32) : ("" as ByteString),
    devMajor: extended ? number("devmajor", 329, 8) : 0,
    devMinor: extended ? number("devminor", 337, 8) : 0,
  };
  return header;
}

/** A string that ends at its first NUL or fills the field. */
export function string(block: Uint8Array, at: number, size: number): ByteString {
  const nul = block.indexOf(0, at);
  return latin1(block, at, nul < 0 || nul > at + size ? at + size : nul);
}

function formatOf(block: Uint8Array): TarFormat {
  const magic = latin1(block, 257, 265);
  if (magic === "ustar  \0") return "gnu";
  if (!magic.startsWith("ustar\0")) return "v7";
  return latin1(block, 508, 512) === "tar\0" ? "star" : "ustar";
}

/** The sum of all bytes, the checksum's own taken as blanks; old programs summed them as signed. */
function checkChecksum(block: Uint8Array, offset: number): void {
  const wanted = parseOctal(block.subarray(148, 156));
  let unsigned = 8 * 0x20;
  let negative = 0;
  for (let at = 0; at < BLOCK; at++) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at] as number;
    unsigned += byte;
    if (byte >= 0x80) negative++;
  }
  if (wanted === unsigned || wanted === unsigned - 256 * negative) return;
  throw invalid(
    offset,
    `its checksum is ${unsigned.toString(8)}, it says ${wanted?.toString(8) ?? "nothing that is a number"}`,
  );
}

function invalid(offset: number, problem: string): Error {
  return ociErrors.error("tar-header-invalid", `tar header at ${offset}: ${problem}`, {
    context: { offset },
  });
}
