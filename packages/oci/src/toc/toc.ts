// Tables of contents of layers, as zstd:chunked and eStargz have them: what is in the tar, and where each file's bytes
// are in the compressed blob. A table is a second description of the layer, so it counts only as far as it agrees with
// the first.

import { type ByteString, byteString, displayName, utf8 } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import type { TarEntry, TarEntryType } from "../tar/entry.ts";

/** Bytes of a table at most, compressed and not. */
export const TOC_LIMIT = 150 << 20;

export type TocEntryType = "reg" | "hardlink" | "symlink" | "char" | "block" | "dir" | "fifo";

/** A piece of a file that can be fetched by itself. */
export interface TocChunk {
  /** Of the piece in the compressed blob; absent for zeros. */
  readonly offset: number;
  /** In the file. */
  readonly chunkOffset: number;
  readonly chunkSize: number;
  /** `sha256:` and hexadecimal, of the piece's own bytes. */
  readonly digest?: string;
  readonly zeros: boolean;
}

export interface TocEntry {
  readonly type: TocEntryType;
  /** As the tar has it. */
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  /** Absent where the table says none; then it is the beginning of 1970. */
  readonly mtime?: { readonly sec: number; readonly nsec: number };
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  /** `sha256:` and hexadecimal, of the whole file. */
  readonly digest?: string;
  readonly chunks: readonly TocChunk[];
  /** Where its last piece ends in the compressed blob. */
  readonly endOffset?: number;
}

export interface Toc {
  readonly version: number;
  readonly entries: readonly TocEntry[];
  /** Digest of the compressed tar-split, of zstd:chunked only. */
  readonly tarSplitDigest?: string;
}

const TYPES = new Set<string>(["reg", "hardlink", "symlink", "char", "block", "dir", "fifo"]);

const refuse = (problem: string): Error => ociErrors.error("toc-invalid", `table of contents: ${problem}`);

/** Parses a table. Throws `oci/toc-invalid`, `oci/json-invalid`; a name that is there twice is refused. */
export function parseToc(bytes: Uint8Array): Toc {
  const fields = Fields.of(parseJson(bytes, { what: "table of contents", caseless: true }), "", refuse);
  const entries: (Omit<TocEntry, "chunks"> & { chunks: TocChunk[] })[] = [];
  const names = new Set<string>();
  for (const each of fields.fieldsOf("entries")) {
    const type = each.string("type");
    if (type === "chunk") {
      const file = entries.at(-1);
      if (file?.type !== "reg" || file.name !== utf8(each.string("name")))
        throw refuse("a piece is of no file");
      file.chunks.push(parseChunk(each));
      continue;
    }
    if (!TYPES.has(type)) throw refuse(`an entry of type "${type.slice(0, 40)}"`);
    const entry = parseEntry(each, type as TocEntryType);
    const clean = cleanName(entry.name);
    if (names.has(clean)) throw refuse(`"${displayName(entry.name)}" is there twice`);
    names.add(clean);
    entries.push(entry);
  }
  for (const { type, size, chunks, name } of entries) if (type === "reg") checkChunks(chunks, size, name);
  const tarSplitDigest = fields.stringOptional("tarSplitDigest");
  return {
    version: fields.sizeOptional("version") ?? 0,
    entries,
    ...(tarSplitDigest === undefined ? {} : { tarSplitDigest }),
  };
}

function parseEntry(fields: Fields, type: TocEntryType): Omit<TocEntry, "chunks"> & { chunks: TocChunk[] } {
  const mtime = parseTime(fields);
  const digest = fields.stringOptional("digest");
  const endOffset = fields.sizeOptional("endOffset");
  const size = fields.sizeOptional("size") ?? 0;
  const first = type === "reg" && size > 0 ? [parseChunk(fields, size)] : [];
  const xattrs = fields.stringMap("xattrs") ?? {};
  return {
    type,
    name: utf8(fields.string("name")),
    linkName: utf8(fields.stringOptional("linkName") ?? ""),
    mode: (fields.sizeOptional("mode") ?? 0) & 0o7777,
    size,
    uid: fields.sizeOptional("uid") ?? 0,
    gid: fields.sizeOptional("gid") ?? 0,
    ...(mtime === undefined ? {} : { mtime }),
    devMajor: fields.sizeOptional("devMajor") ?? 0,
    devMinor: fields.sizeOptional("devMinor") ?? 0,
    xattrs: new Map(
      Object.entries(xattrs).map(
        ([name, value]) => [utf8(name), byteString(Buffer.from(value, "base64"))] as const,
      ),
    ),
    ...(digest === undefined || digest === "" ? {} : { digest }),
    chunks: first,
    ...(endOffset === undefined ? {} : { endOffset }),
  };
}

/** @param whole the file's size, where the piece may be all of it. */
function parseChunk(fields: Fields, whole?: number): TocChunk {
  const chunkOffset = fields.sizeOptional("chunkOffset") ?? 0;
  const said = fields.sizeOptional("chunkSize") ?? 0;
  const digest =
    fields.stringOptional("chunkDigest") ?? (said === 0 ? fields.stringOptional("digest") : undefined);
  return {
    offset: fields.sizeOptional("offset") ?? 0,
    chunkOffset,
    // Zero stands for: to the end.
    chunkSize: said === 0 && whole !== undefined ? whole - chunkOffset : said,
    ...(digest === undefined || digest === "" ? {} : { digest }),
    zeros: fields.stringOptional("chunkType") === "zeros",
  };
}

/** Pieces follow one another and make up the file; the last one may leave its size out. */
function checkChunks(chunks: TocChunk[], size: number, name: ByteString): void {
  let at = 0;
  for (const [index, chunk] of chunks.entries()) {
    const last = index === chunks.length - 1;
    const length = chunk.chunkSize === 0 && last ? size - chunk.chunkOffset : chunk.chunkSize;
    if (chunk.chunkOffset !== at || length <= 0)
      throw refuse(`the pieces of "${displayName(name)}" do not fit`);
    if (length !== chunk.chunkSize) chunks[index] = { ...chunk, chunkSize: length };
    at += length;
  }
  if (at !== size) throw refuse(`the pieces of "${displayName(name)}" are not all of it`);
}

function parseTime(fields: Fields): { sec: number; nsec: number } | undefined {
  const text = fields.stringOptional("modtime");
  if (text === undefined) return undefined;
  const match = /^(.*T\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1] ?? ""}${match[3] ?? ""}`);
  if (match === null || Number.isNaN(ms)) throw fields.invalid("modtime", "not a time");
  return { sec: ms / 1000, nsec: Number((match[2] ?? "").padEnd(9, "0")) };
}

const TAR_TYPES: Readonly<Partial<Record<TarEntryType, TocEntryType>>> = {
  file: "reg",
  sparse: "reg",
  hardlink: "hardlink",
  symlink: "symlink",
  char: "char",
  block: "block",
  directory: "dir",
  fifo: "fifo",
};

/** Files of the layer's own making that a table does not list. */
const OWN_FILES = new Set(["stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark"]);

/**
 * Throws `oci/toc-mismatch` unless a table and the entries of a tar describe the same: every entry of either, with its
 * type, name, link, mode, size, owner, time, device and attributes.
 */
export function checkTocEntries(
  toc: Toc,
  tar: readonly TarEntry[],
  options: { readonly wholeSeconds?: boolean } = {},
): void {
  const listed = toc.entries.filter(({ name }) => !OWN_FILES.has(cleanName(name)));
  const found = tar.filter(({ name, type }) => type !== "global" && !OWN_FILES.has(cleanName(name)));
  const mismatch = (problem: string): Error =>
    ociErrors.error("toc-mismatch", `the table of contents and the layer do not agree: ${problem}`);
  if (listed.length !== found.length) throw mismatch(`${listed.length} entries, and ${found.length}`);
  for (const [at, entry] of found.entries()) {
    const other = listed[at] as TocEntry;
    const field = differingField(entry, other, options.wholeSeconds === true);
    if (field !== undefined) throw mismatch(`"${displayName(entry.name)}": ${field}`);
  }
}

function differingField(entry: TarEntry, other: TocEntry, wholeSeconds: boolean): string | undefined {
  if (cleanName(entry.name) !== cleanName(other.name)) return `named "${displayName(other.name)}"`;
  if (TAR_TYPES[entry.type] !== other.type) return "type";
  const links = entry.type === "hardlink" || entry.type === "symlink";
  if (links && entry.linkName !== other.linkName) return "link";
  if (entry.mode !== other.mode) return "mode";
  if (entry.type === "file" && entry.size !== other.size) return "size";
  if (entry.uid !== other.uid || entry.gid !== other.gid) return "owner";
  const time = other.mtime ?? { sec: 0, nsec: 0 };
  if (entry.mtime.sec !== time.sec || (!wholeSeconds && entry.mtime.nsec !== time.nsec)) return "time";
  const isDevice = entry.type === "char" || entry.type === "block";
  if (isDevice && (entry.devMajor !== other.devMajor || entry.devMinor !== other.devMinor)) return "device";
  if (entry.xattrs.size !== other.xattrs.size) return "attributes";
  for (const [name, value] of entry.xattrs) if (other.xattrs.get(name) !== value) return "attributes";
  return undefined;
}

function cleanName(name: ByteString): string {
  return name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}
