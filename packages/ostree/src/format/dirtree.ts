import { type ByteString, displayName, textOf, utf8 } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import { gvariant } from "../gvariant/index.ts";
import { type Checksum, checksumBytes, checksumOf } from "./checksum.ts";

/** A subdirectory: what is in it, and its own owner, mode and attributes. */
export interface DirtreeDir {
  readonly tree: Checksum;
  readonly meta: Checksum;
}

/** A dirtree object. Iteration is in byte order of the names. */
export interface Dirtree {
  readonly files: ReadonlyMap<ByteString, Checksum>;
  readonly dirs: ReadonlyMap<ByteString, DirtreeDir>;
}

const DIRTREE = gvariant("(a(say)a(sayay))");

/** Names in any order; they are sorted. Throws `ostree/name-not-utf8`, `ostree/object-invalid`. */
export function encodeDirtree(tree: Dirtree): Uint8Array {
  const files = sorted(tree.files).map(
    ([name, checksum]) => [nameText(name), checksumBytes(checksum)] as const,
  );
  const dirs = sorted(tree.dirs).map(
    ([name, { tree, meta }]) => [nameText(name), checksumBytes(tree), checksumBytes(meta)] as const,
  );
  return DIRTREE.encode([files, dirs]);
}

/** Throws `ostree/object-invalid` for names that no directory can have, twice or out of order. */
export function decodeDirtree(bytes: Uint8Array, format: string): Dirtree {
  const [fileList, dirList] = DIRTREE.decode(bytes, { format });
  const files = new Map<ByteString, Checksum>();
  const dirs = new Map<ByteString, DirtreeDir>();
  let last = "";
  for (const [text, checksum] of fileList) {
    const name = checkedName(text, last, format);
    files.set(name, checksumOf(checksum, `${format} › file`));
    last = name;
  }
  last = "";
  for (const [text, tree, meta] of dirList) {
    const name = checkedName(text, last, format);
    if (files.has(name)) throw invalid(format, `"${displayName(name)}" is both a file and a directory`);
    dirs.set(name, {
      tree: checksumOf(tree, `${format} › directory`),
      meta: checksumOf(meta, `${format} › directory`),
    });
    last = name;
  }
  return { files, dirs };
}

function checkedName(text: string, last: string, format: string): ByteString {
  const name = utf8(text);
  if (name === "") throw invalid(format, "Invalid empty filename");
  if (name === ".") throw invalid(format, "Invalid self-referential filename '.'");
  if (name === "..") throw invalid(format, "Invalid path uplink filename '..'");
  if (name.includes("/")) throw invalid(format, `Invalid / in filename ${displayName(name)}`);
  // Readers look names up by bisection, so an unsorted list hides some of its entries from them.
  if (name <= last) throw invalid(format, `"${displayName(name)}" is there twice, or out of order`);
  return name;
}

function nameText(name: ByteString): string {
  const text = textOf(name);
  if (text !== undefined) return text;
  throw ostreeErrors.error("name-not-utf8", `Invalid UTF-8 in filename: "${displayName(name)}"`);
}

function sorted<T>(map: ReadonlyMap<ByteString, T>): [ByteString, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function invalid(format: string, problem: string): Error {
  return ostreeErrors.error("object-invalid", `${format}: ${problem}`, { context: { format } });
}
