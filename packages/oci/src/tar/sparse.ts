// Sparse files, in the four forms that GNU tar has had: `S` entries with the map in header blocks, and three
// forms in pax records. The map lists stored pieces in order; everything between them is holes.

import type { ByteString } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { SparsePiece } from "./entry.ts";
import { parseNumber } from "./number.ts";
import { parsePaxNumber } from "./pax.ts";

const GNU_PIECES_IN_HEADER = 4;
const GNU_PIECES_IN_EXTENSION = 21;

/** Pieces of a GNU `S` header or of one of its extension blocks, and whether another block follows. */
export function parseGnuSparse(
  block: Uint8Array,
  extension: boolean,
): { pieces: SparsePiece[]; more: boolean } {
  const pieces: SparsePiece[] = [];
  const start = extension ? 0 : 386;
  const count = extension ? GNU_PIECES_IN_EXTENSION : GNU_PIECES_IN_HEADER;
  for (let index = 0; index < count; index++) {
    const at = start + index * 24;
    if (block[at] === 0) break;
    pieces.push(
      piece(parseNumber(block.subarray(at, at + 12)), parseNumber(block.subarray(at + 12, at + 24))),
    );
  }
  return { pieces, more: block[extension ? 504 : 482] !== 0 };
}

/** Size of the whole file in a GNU `S` header. */
export function gnuRealSize(block: Uint8Array): number {
  const size = parseNumber(block.subarray(483, 495));
  if (size === undefined || size < 0) throw invalid("the real size is not a number");
  return size;
}

/** What the records of an entry say of a sparse file of form 0.0, 0.1 or 1.0; `undefined` if it is none. */
export function paxSparse(records: readonly (readonly [ByteString, ByteString])[]): PaxSparse | undefined {
  const last = new Map(records);
  const get = (key: string): ByteString | undefined => last.get(`GNU.sparse.${key}` as ByteString);
  const major = get("major");
  const minor = get("minor");
  const name = get("name");
  if (major === "1" && minor === "0") {
    const size = number(get("realsize"), "realsize");
    return { form: "1.0", size, ...(name === undefined ? {} : { name }) };
  }
  if (major !== undefined && !(major === "0" && (minor === "0" || minor === "1"))) {
    throw invalid(`form ${major}.${minor ?? "?"} is not known`);
  }
  const map = get("map");
  const sizeText = get("size") ?? get("realsize");
  if (map === undefined && get("numblocks") === undefined) return undefined;
  const numbers =
    map === undefined
      ? records
          .filter(([key]) => key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes")
          .map(([, value]) => value)
      : (map.split(",") as ByteString[]);
  if (numbers.length % 2 !== 0) throw invalid("the map has an odd number of numbers");
  const pieces: SparsePiece[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    pieces.push(piece(number(numbers[at], "offset"), number(numbers[at + 1], "numbytes")));
  }
  return { form: "0", size: number(sizeText, "size"), pieces, ...(name === undefined ? {} : { name }) };
}

export interface PaxSparse {
  readonly form: "0" | "1.0";
  /** Of the whole file. */
  readonly size: number;
  /** The name that counts; the header's is a placeholder. */
  readonly name?: ByteString;
  /** Absent for form 1.0, whose map is at the beginning of the content. */
  readonly pieces?: readonly SparsePiece[];
}

/** Throws `oci/tar-sparse-invalid` unless pieces are in order, do not overlap, lie in the file and add up. */
export function checkPieces(
  pieces: readonly SparsePiece[],
  size: number,
  stored: number | undefined,
  limit: number,
): void {
  if (pieces.length > limit) throw ociErrors.error("tar-limit", `a sparse file of more than ${limit} pieces`);
  let end = 0;
  let sum = 0;
  for (const { offset, size: length } of pieces) {
    if (offset < end || offset + length > size) throw invalid("pieces overlap, or lie outside of the file");
    end = offset + length;
    sum += length;
  }
  if (stored !== undefined && sum !== stored) throw invalid(`pieces hold ${sum} bytes, ${stored} are stored`);
}

function piece(offset: number | undefined, size: number | undefined): SparsePiece {
  if (offset === undefined || size === undefined || offset < 0 || size < 0)
    throw invalid("a piece is not two numbers");
  return { offset, size };
}

function number(text: ByteString | undefined, field: string): number {
  const value = text === undefined ? undefined : parsePaxNumber(text);
  if (value === undefined || value < 0) throw invalid(`${field} is not a number`);
  return value;
}

function invalid(problem: string): Error {
  return ociErrors.error("tar-sparse-invalid", `sparse file: ${problem}`);
}
