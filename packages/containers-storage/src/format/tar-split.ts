// tar-split: a tar without the contents of its files, as lines of JSON. With the files it makes the tar again, to the
// byte. Type 1 is an entry (name, size and checksum of its content), type 2 bytes as they are.

import { type ByteString, textOf, utf8 } from "@bootc-store/core";

import { containersStorageErrors } from "../errors.ts";
import { TAR_SPLIT_LINE_LIMIT } from "../limits.ts";
import { printJson } from "./json-text.ts";

/** Bytes of the tar as they are: headers, padding, the end. */
export interface TarSplitSegment {
  readonly type: "segment";
  readonly bytes: Uint8Array;
}

/** An entry; its content, if `size` is not 0, lies in the layer's directory under `name`. */
export interface TarSplitFile {
  readonly type: "file";
  readonly name: ByteString;
  readonly size: number;
  /** CRC-64/ISO of the content, eight bytes; absent where there is no content. */
  readonly crc64?: Uint8Array;
}

export type TarSplitRecord = TarSplitSegment | TarSplitFile;

/** One line, its newline included. */
export function printTarSplit(record: TarSplitRecord, position: number): string {
  if (record.type === "segment") {
    const payload = Buffer.from(record.bytes.buffer, record.bytes.byteOffset, record.bytes.length);
    return `{"type":2,"payload":"${payload.toString("base64")}","position":${position}}\n`;
  }
  const text = textOf(record.name);
  const name =
    text === undefined
      ? `,"name_raw":"${Buffer.from(record.name, "latin1").toString("base64")}"`
      : text === ""
        ? ""
        : `,"name":${printJson(text)}`;
  const size = record.size === 0 ? "" : `,"size":${record.size}`;
  const payload = record.crc64 === undefined ? "null" : `"${Buffer.from(record.crc64).toString("base64")}"`;
  return `{"type":1${name}${size},"payload":${payload},"position":${position}}\n`;
}

/** Parses one line. Throws `containers-storage/tar-split-invalid`. */
export function parseTarSplitLine(line: string, position: number): TarSplitRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw invalid(position, "not JSON", cause);
  }
  if (typeof value !== "object" || value === null) throw invalid(position, "not an object");
  const {
    type,
    payload,
    name,
    name_raw: nameRaw,
    size = 0,
    position: said,
  } = value as { [key: string]: unknown };
  if (said !== undefined && said !== position)
    throw invalid(position, `its position says ${JSON.stringify(said)}`);
  if (type === 2) {
    const bytes = base64(payload);
    if (bytes === undefined) throw invalid(position, "a segment without bytes");
    return { type: "segment", bytes };
  }
  if (type !== 1) throw invalid(position, `unknown type ${JSON.stringify(type)}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalid(position, "not a size");
  const raw = nameRaw === undefined || nameRaw === null ? undefined : base64(nameRaw);
  const decoded = raw === undefined ? undefined : (raw.toString("latin1") as ByteString);
  if (decoded === undefined && name !== undefined && typeof name !== "string")
    throw invalid(position, "not a name");
  const found = decoded ?? utf8(typeof name === "string" ? name : "");
  if (size === 0) return { type: "file", name: found, size };
  const crc64 = base64(payload);
  if (crc64?.length !== 8) throw invalid(position, "a file without a checksum");
  return { type: "file", name: found, size, crc64 };
}

const SEGMENT_START = Buffer.from('{"type":2,"payload":"');
const QUOTE = 0x22;

/**
 * A segment in the very form in which it is written everywhere, without a detour by way of JSON: of a layer's tar-split nearly all
 * bytes are such lines. `undefined` for every other line, and where there is any doubt.
 */
function plainSegment(
  line: Buffer,
  start: number,
  end: number,
  position: number,
): TarSplitSegment | undefined {
  const from = start + SEGMENT_START.length;
  if (from >= end || line.compare(SEGMENT_START, 0, SEGMENT_START.length, start, from) !== 0)
    return undefined;
  const to = line.indexOf(QUOTE, from);
  if (to < 0 || to >= end || line.toString("latin1", to, end) !== `","position":${position}}`)
    return undefined;
  const text = line.toString("latin1", from, to);
  // The decoder takes the other alphabet of base64 too, and passes over what belongs to none.
  if (text.length % 4 !== 0 || text.includes("-") || text.includes("_")) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === (text.length / 4) * 3 - padding ? { type: "segment", bytes } : undefined;
}

/** Records of a tar-split that has been decompressed. Bytes are views of the text's own memory, not of `chunks`. */
export async function* parseTarSplit(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarSplitRecord> {
  let position = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const all =
      rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = all.indexOf(10, at); end >= 0; end = all.indexOf(10, at)) {
      if (end > at) {
        yield (
          plainSegment(all, at, end, position) ?? parseTarSplitLine(all.toString("utf8", at, end), position)
        );
        position++;
      }
      at = end + 1;
    }
    rest = Buffer.from(all.subarray(at));
    if (rest.length > TAR_SPLIT_LINE_LIMIT)
      throw invalid(position, `a line of more than ${TAR_SPLIT_LINE_LIMIT} bytes`);
  }
  if (rest.length > 0) yield parseTarSplitLine(rest.toString("utf8"), position);
}

/**
 * The name as a path below the layer's directory: components without empty ones and dots, `..` taking away the one
 * before it and never leading out. Empty for the root.
 */
export function cleanPath(name: ByteString): ByteString {
  if (
    !name.includes("//") &&
    !name.includes("./") &&
    !name.startsWith("/") &&
    !name.endsWith("/") &&
    !name.endsWith(".")
  ) {
    return name;
  }
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/") as ByteString;
}

function base64(value: unknown): Buffer | undefined {
  return typeof value === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
    ? Buffer.from(value, "base64")
    : undefined;
}

function invalid(position: number, problem: string, cause?: unknown): Error {
  return containersStorageErrors.error("tar-split-invalid", `tar-split record ${position}: ${problem}`, {
    context: { position },
    ...(cause === undefined ? {} : { cause }),
  });
}
