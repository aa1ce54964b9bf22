import { type ByteString, displayName, textOf } from "@bootc-store/core";
import { fromHex } from "@bootc-store/core";
import { type InodeKind, kindOfMode } from "@bootc-store/tree";

import { erofsErrors } from "../errors.ts";
import {
  type ExternalFile,
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  isWhiteout,
  type XattrPair,
} from "../image/node.ts";
import { badTree, badValue, syntax, unescapeRs } from "./lines.ts";

export interface ParseRsOptions {
  /** The hash of the repository, whose digests the dump's must be of. */
  readonly algorithm: "sha256" | "sha512";
}

const MAX_CONTENT = 512;
const MAX_TARGET = 1024;
const MAX_PATH = 4096;
const MAX_XATTR_NAMES = 65_535;
const FIELDS = [
  "path",
  "size",
  "mode",
  "nlink",
  "uid",
  "gid",
  "rdev",
  "mtime",
  "payload",
  "content",
  "digest",
] as const;

/**
 * A dump file as composefs-rs reads it: stricter than C in most things. Link counts follow from the names, and an
 * inode's place is its first name in the order of a walk. Throws `erofs/dump-syntax`, `erofs/dump-value`,
 * `erofs/dump-tree`.
 */
export function parseDumpRs(text: ByteString, options: ParseRsOptions): ImageDirectory {
  if (textOf(text) === undefined)
    throw erofsErrors.error("dump-syntax", "stream did not contain valid UTF-8");
  const digestSize = options.algorithm === "sha512" ? 64 : 32;
  let root: ImageDirectory | undefined;
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "") continue;
    const entry = parseLine(at + 1, line, digestSize);
    if (root === undefined) {
      if (entry.path !== "/" || entry.node === undefined || !isDirectory(entry.node)) {
        throw badTree(
          at + 1,
          `Dumpfile must start with root directory entry, found: "${displayName(entry.path)}"`,
        );
      }
      root = entry.node;
    } else if (entry.path !== "/") addEntry(at + 1, root, entry);
  }
  if (root === undefined) {
    throw erofsErrors.error("dump-tree", "Dumpfile is empty, expected root directory entry");
  }
  return settleNames(root);
}

interface Parsed {
  readonly path: ByteString;
  /** Absent for a hard link. */
  readonly node: ImageNode | undefined;
  readonly target: ByteString | undefined;
}

function parseLine(line: number, text: string, digestSize: number): Parsed {
  const fields = text.split(" ");
  for (const [at, name] of FIELDS.entries())
    if (fields[at] === undefined) throw syntax(line, `Missing ${name}`);
  const field = (name: (typeof FIELDS)[number]): string => fields[FIELDS.indexOf(name)] ?? "";
  const optional = (name: "payload" | "content" | "digest"): ByteString | undefined =>
    field(name) === "-" ? undefined : unescapeRs(line, field(name));
  const path = pathOf(line, field("path"));
  const alias = field("mode").startsWith("@");
  const mode = Number(unsigned(line, alias ? field("mode").slice(1) : field("mode"), 32, 8)) & 0xffff;
  const kind = kindOfMode(mode);
  const payload = optional("payload");
  if (alias) {
    if (kind === "directory") throw badValue(line, "Invalid hardlinked directory");
    if (payload === undefined) throw badValue(line, "Missing payload");
    return { path, node: undefined, target: pathOf(line, field("payload")) };
  }
  if (kind === undefined) throw badValue(line, `Unhandled file type from raw mode: ${mode}`);
  const [seconds = "", nanoseconds] = field("mtime").split(/\.([^]*)/);
  const size = unsigned(line, field("size"), 64);
  unsigned(line, field("nlink"), 32);
  const uid = Number(unsigned(line, field("uid"), 32));
  const gid = Number(unsigned(line, field("gid"), 32));
  const rdev = unsigned(line, field("rdev"), 64);
  if (nanoseconds === undefined) throw syntax(line, "Missing . in mtime");
  const mtime = { sec: unsigned(line, seconds, 64), nsec: Number(unsigned(line, nanoseconds, 64)) };
  if (mtime.nsec >= 1e9) {
    throw badValue(line, `Invalid mtime nanoseconds: ${mtime.nsec} (must be < 1_000_000_000)`);
  }
  const content = optional("content");
  const isDevice = kind === "char" || kind === "block";
  if (!isDevice && rdev !== 0n) throw badValue(line, `entry cannot have device (rdev) ${rdev}`);
  if (rdev > 0xffff_ffffn) throw badValue(line, `the device number ${rdev} has more than 32 bits`);
  if (kind !== "file" && content !== undefined) throw badValue(line, "entry cannot have content");
  const common = {
    mode,
    nlink: 1,
    uid,
    gid,
    rdev: Number(rdev),
    mtime,
    xattrs: xattrsOf(line, fields.slice(11)),
  };
  return {
    path,
    node: nodeOf(line, kind, { ...common, size }, payload, content, optional("digest"), digestSize),
    target: undefined,
  };
}

function nodeOf(
  line: number,
  kind: InodeKind,
  common: Omit<ImageNode, "content">,
  payload: ByteString | undefined,
  content: ByteString | undefined,
  digest: ByteString | undefined,
  digestSize: number,
): ImageNode {
  if (kind === "directory") return { ...common, size: 0n, children: new Map() };
  if (kind === "symlink") {
    if (payload === undefined) throw badValue(line, "Missing payload");
    if (payload === "" || payload.length > MAX_TARGET) {
      throw badValue(line, `Invalid symlink target of ${payload.length} bytes`);
    }
    if (payload.includes("\0")) throw badValue(line, "Invalid embedded NUL");
    return { ...common, size: BigInt(payload.length), target: payload };
  }
  if (kind !== "file") return { ...common, size: 0n };
  if (digest !== undefined && (content !== undefined || payload === undefined)) {
    throw badValue(line, "Inline file cannot have fsverity digest");
  }
  if (content !== undefined) {
    if (content.length > MAX_CONTENT)
      throw badValue(line, `Inline content of ${content.length} bytes is too large`);
    return {
      ...common,
      size: BigInt(content.length),
      content: Uint8Array.from(content, (byte) => byte.charCodeAt(0)),
    };
  }
  if (payload !== undefined) return { ...common, external: externalOf(line, payload, digest, digestSize) };
  return common.size === 0n ? common : { ...common, external: {} };
}

/** With a digest the object's path is the digest's; without one it is in the payload. */
function externalOf(
  line: number,
  payload: ByteString,
  digest: ByteString | undefined,
  digestSize: number,
): ExternalFile {
  const digits = digest ?? payload.split("/").slice(-2).join("");
  const context = digest === undefined ? "invalid object pathname: " : "";
  if (digits.length !== 2 * digestSize) throw badValue(line, `${context}Invalid string length`);
  const bad = digits.search(/[^0-9a-fA-F]/);
  if (bad >= 0) throw badValue(line, `${context}Invalid character '${digits[bad]}' at position ${bad}`);
  const hex = digits.toLowerCase();
  const path = `${hex.slice(0, 2)}/${hex.slice(2)}` as ByteString;
  return digest === undefined ? { payload: path } : { payload: path, digest: fromHex(hex) };
}

function addEntry(line: number, root: ImageDirectory, { path, node, target }: Parsed): void {
  const parts = path.slice(1).split("/") as ByteString[];
  const name = parts.pop() as ByteString;
  const parent = find(root, parts);
  if (parent === undefined || !isDirectory(parent)) {
    throw badTree(line, `Parent directory not found: "/${displayName(parts.join("/") as ByteString)}"`);
  }
  if (parent.children.has(name)) throw badTree(line, `"${displayName(path)}" occurs twice`);
  if (node !== undefined) parent.children.set(name, { node, alias: false });
  else {
    const leaf = target === undefined ? undefined : find(root, target.slice(1).split("/") as ByteString[]);
    if (leaf === undefined || isDirectory(leaf)) {
      throw badTree(line, `Hardlink target not found: "${displayName(target ?? ("" as ByteString))}"`);
    }
    parent.children.set(name, { node: leaf, alias: true });
  }
}

function find(root: ImageDirectory, parts: readonly ByteString[]): ImageNode | undefined {
  let node: ImageNode | undefined = root;
  for (const part of parts)
    node = node !== undefined && isDirectory(node) ? node.children.get(part)?.node : undefined;
  return node;
}

/** Counts the names of each leaf, and makes its first name in the order of a walk its place. */
export function settleNames(root: ImageDirectory): ImageDirectory {
  const settled = new Map<ImageNode, ImageNode & { nlink: number }>();
  const top: ImageDirectory = { ...root, children: new Map() };
  const open = (from: ImageDirectory, to: ImageDirectory) => ({
    to,
    rest: [...from.children].sort((a, b) => (a[0] < b[0] ? -1 : 1)).values(),
  });
  const stack = [open(root, top)];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const next = frame.rest.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, { node }] = next.value;
    if (isDirectory(node)) {
      const directory: ImageDirectory = { ...node, children: new Map() };
      frame.to.children.set(name, { node: directory, alias: false });
      stack.push(open(node, directory));
      continue;
    }
    const known = settled.get(node);
    const leaf = known ?? { ...node, nlink: 0 };
    settled.set(node, leaf);
    leaf.nlink++;
    if (isWhiteout(leaf) && leaf.nlink > 1) {
      throw erofsErrors.error("dump-tree", "invalid composefs filesystem: whiteout inode has nlink > 1");
    }
    frame.to.children.set(name, { node: leaf, alias: known !== undefined });
  }
  return top;
}

function pathOf(line: number, text: string): ByteString {
  const path = unescapeRs(line, text);
  if (path.includes("\0")) throw syntax(line, "Invalid embedded NUL");
  if (!path.startsWith("/")) throw syntax(line, "Invalid non-absolute path");
  if (path.length > MAX_PATH) throw syntax(line, `Path of ${path.length} bytes is too long`);
  if (path === "/") return path;
  for (const part of path.slice(1).split("/")) {
    if (part === "") throw syntax(line, "Empty path component (// or trailing /)");
    if (part === "." || part === "..") throw syntax(line, `Invalid path component '${part}'`);
  }
  return path;
}

/** As Rust parses an unsigned number: digits, perhaps a plus before them, in range. */
function unsigned(line: number, text: string, bits: 32 | 64, base: 8 | 10 = 10): bigint {
  if (text === "") throw badValue(line, "cannot parse integer from empty string");
  if (!(base === 8 ? /^\+?[0-7]+$/ : /^\+?[0-9]+$/).test(text))
    throw badValue(line, "invalid digit found in string");
  const digits = text.replace(/^\+/, "");
  const value = BigInt(base === 8 ? `0o${digits}` : digits);
  if (value >= 1n << BigInt(bits)) throw badValue(line, "number too large to fit in target type");
  return value;
}

function xattrsOf(line: number, fields: readonly string[]): XattrPair[] {
  const xattrs = new Map<ByteString, ByteString>();
  let names = 0;
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals < 0) throw syntax(line, "Missing = in xattrs");
    const name = unescapeRs(line, field.slice(0, equals));
    const value = unescapeRs(line, field.slice(equals + 1));
    if (name.includes("\0")) throw syntax(line, "Invalid embedded NUL");
    if (name.length > 255) throw badValue(line, `xattr name too long: ${name.length} bytes`);
    if (value.length > 65_535) throw badValue(line, `xattr value too long: ${value.length} bytes`);
    names += name.length;
    if (names > MAX_XATTR_NAMES) throw badValue(line, "Too many xattrs");
    xattrs.set(name, value);
  }
  return [...xattrs];
}
