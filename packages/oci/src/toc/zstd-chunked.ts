// zstd:chunked: a zstd stream whose trailing skippable frames hold a table of contents and a tar-split. Where they
// are is said by annotations of the layer, and by a footer that containers/storage does not read:
//
//   footer, the last 72 bytes: 8 bytes of frame header, then u64 LE each: table's offset, its compressed and
//   uncompressed length, type 1, tar-split's offset, compressed and uncompressed length, magic "GNUlInUx"

import { parseDigestOptional } from "@bootc-store/core";
import { zstdDecompressSync } from "node:zlib";

import { ociErrors } from "../errors.ts";
import { checkDigest, type Descriptor } from "../image/descriptor.ts";
import { zlibError } from "../decompress/gzip.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import type { TarEntry } from "../tar/entry.ts";
import { TarParser } from "../tar/parser.ts";
import { checkTocEntries, parseToc, type Toc, TOC_LIMIT } from "./toc.ts";

const PREFIX = "io.github.containers.zstd-chunked.";
const FOOTER_SIZE = 72;
const MAGIC = "GNUlInUx";

/** Reads bytes of a blob. */
export type ReadRange = (offset: number, size: number) => Promise<Uint8Array>;

export interface ChunkedPositions {
  readonly toc: Position;
  readonly tarSplit?: Position;
}

export interface Position {
  readonly offset: number;
  readonly size: number;
  readonly uncompressed: number;
}

const refuse = (problem: string): Error => ociErrors.error("toc-invalid", `zstd:chunked: ${problem}`);

/** Whether a layer says that it has a table of contents. */
export function isZstdChunked(layer: Descriptor): boolean {
  return layer.annotations?.[`${PREFIX}manifest-checksum`] !== undefined;
}

/**
 * The table of contents of a layer, by its annotations: its digest is theirs, and it describes the same entries as the
 * tar-split does. Throws `oci/toc-invalid`, `oci/toc-mismatch`, `oci/digest-mismatch`.
 */
export async function readZstdChunkedToc(layer: Descriptor, read: ReadRange): Promise<Toc> {
  const annotations = layer.annotations ?? {};
  if (annotations["containerd.io/snapshot/stargz/toc.digest"] !== undefined) {
    throw refuse("the layer says that it is eStargz as well");
  }
  const checksum = parseDigestOptional(annotations[`${PREFIX}manifest-checksum`] ?? "");
  if (checksum === undefined) throw refuse("the layer does not say the table's digest");
  const positions = parsePositions(layer);
  const compressed = await readPart(read, positions.toc, layer.size);
  checkDigest(compressed, checksum, "table of contents");
  const toc = parseToc(unpack(compressed, positions.toc));
  if (toc.tarSplitDigest !== undefined && positions.tarSplit !== undefined) {
    const digest = parseDigestOptional(toc.tarSplitDigest);
    if (digest === undefined) throw refuse("the tar-split's digest is none");
    const split = await readPart(read, positions.tarSplit, layer.size);
    checkDigest(split, digest, "tar-split");
    checkTocEntries(toc, tarSplitEntries(unpack(split, positions.tarSplit)));
  }
  return toc;
}

function parsePositions({ annotations = {} }: Descriptor): ChunkedPositions {
  const position = (text: string | undefined, parts: number): Position | undefined => {
    if (text === undefined) return undefined;
    const numbers = text.split(":").map((each) => (/^[0-9]{1,15}$/.test(each) ? Number(each) : Number.NaN));
    const [offset = Number.NaN, size = Number.NaN, uncompressed = Number.NaN, type = 1] = numbers;
    if (numbers.length !== parts || numbers.some(Number.isNaN) || type !== 1)
      throw refuse("a position is malformed");
    return { offset, size, uncompressed };
  };
  const toc = position(annotations[`${PREFIX}manifest-position`], 4);
  if (toc === undefined) throw refuse("the layer does not say where the table is");
  const tarSplit = position(annotations[`${PREFIX}tarsplit-position`], 3);
  return { toc, ...(tarSplit === undefined ? {} : { tarSplit }) };
}

/** Where the footer says that the table is. It is a hint: only the annotations are signed. Throws `oci/toc-invalid`. */
export async function readZstdChunkedFooter(size: number, read: ReadRange): Promise<ChunkedPositions> {
  if (size < FOOTER_SIZE) throw refuse("the blob is too small for a footer");
  const footer = Buffer.from(await read(size - FOOTER_SIZE, FOOTER_SIZE));
  if (
    footer.readUInt32LE(0) !== 0x184d2a50 ||
    footer.readUInt32LE(4) !== 64 ||
    footer.toString("latin1", 64) !== MAGIC
  ) {
    throw refuse("the blob has no footer");
  }
  const number = (at: number): number => {
    const value = footer.readBigUInt64LE(8 + at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse("the footer has an absurd number");
    return Number(value);
  };
  if (number(24) !== 1) throw refuse("the table is of a type that is not known");
  const tarSplit = { offset: number(32), size: number(40), uncompressed: number(48) };
  return {
    toc: { offset: number(0), size: number(8), uncompressed: number(16) },
    ...(tarSplit.size === 0 ? {} : { tarSplit }),
  };
}

async function readPart(
  read: ReadRange,
  { offset, size, uncompressed }: Position,
  blob: number,
): Promise<Uint8Array> {
  if (size > TOC_LIMIT || uncompressed > TOC_LIMIT) throw refuse(`a part of more than ${TOC_LIMIT} bytes`);
  if (size === 0 || offset + size > blob) throw refuse("a part lies outside of the blob");
  return await read(offset, size);
}

function unpack(bytes: Uint8Array, { uncompressed }: Position): Uint8Array {
  let output: Uint8Array;
  try {
    output = zstdDecompressSync(bytes, { maxOutputLength: Math.max(uncompressed, 1) });
  } catch (error) {
    throw zlibError(error, "zstd");
  }
  if (output.length !== uncompressed)
    throw refuse(`a part of ${output.length} bytes, ${uncompressed} were said`);
  return output;
}

/** The entries of the tar that a tar-split describes: its raw bytes are all of the tar but the files' contents. */
export function tarSplitEntries(bytes: Uint8Array): TarEntry[] {
  const entries: TarEntry[] = [];
  const parser = new TarParser({
    entry: (entry) => void entries.push(entry),
    inline() {},
    data() {},
    entryEnd() {},
  });
  for (const line of Buffer.from(bytes).toString("utf8").split("\n")) {
    if (line.trim() === "") continue;
    const segment = Fields.of(parseJson(line, { what: "tar-split" }), "segment", refuse);
    if (segment.get("type") === 2) parser.push(Buffer.from(segment.string("payload"), "base64"));
    else if (segment.get("type") === 1) {
      if (parser.passContent() !== (segment.sizeOptional("size") ?? 0))
        throw refuse("the tar-split has a file of another size than its header");
    } else throw refuse("a line of the tar-split is no segment");
  }
  parser.end();
  return entries;
}
