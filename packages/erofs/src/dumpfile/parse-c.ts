import { type ByteString, displayName } from "@bootc-store/core";
import { kindOfMode } from "@bootc-store/tree";

import { erofsErrors } from "../errors.ts";
import {
  type ExternalFile,
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  typeOf,
  type XattrPair,
} from "../image/node.ts";
import { badTree, badValue, syntax, unescapeC } from "./lines.ts";

export interface ParseCOptions {
  /** What `CFS_PARSE_STRICT` asks for: a last newline, no device number and content where they mean nothing. */
  readonly strict?: boolean;
}

const MAX_CONTENT = 5000;
const MAX_PATH = 4096;
const MAX_XATTR_TEXT = 65_535;
const MAX_XATTRS = 32_767;

/**
 * A dump file as `mkcomposefs --from-file` reads it, with its leniency and its messages. Throws `erofs/dump-syntax`,
 * `erofs/dump-value`, `erofs/dump-tree`, `erofs/hardlink-cycle`.
 *
 * @param text the file, a byte a character
 */
export function parseDumpC(text: ByteString, options: ParseCOptions = {}): ImageDirectory {
  return new CParser(options.strict ?? false).parse(text);
}

interface Link {
  readonly line: number;
  readonly path: ByteString;
  readonly directory: ImageDirectory;
  readonly name: ByteString;
  readonly target: ByteString;
  /** Stands for the link until it is resolved. */
  readonly holder: ImageNode;
}

class CParser {
  readonly #strict: boolean;
  #root: ImageDirectory | undefined;
  readonly #links: Link[] = [];

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  parse(text: ByteString): ImageDirectory {
    if (text === "") throw erofsErrors.error("dump-tree", "No files in dump file");
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    else if (this.#strict) throw syntax(lines.length, "Missing trailing newline");
    for (const [at, line] of lines.entries()) this.#line(at + 1, line);
    if (this.#root === undefined) throw erofsErrors.error("dump-tree", "No files in dump file");
    this.#resolveLinks();
    return this.#root;
  }

  #line(line: number, text: string): void {
    const nul = text.indexOf("\0");
    if (nul >= 0) throw syntax(line, `Invalid embedded NUL character at position ${nul}`);
    const fields = text.split(" ");
    const field = (at: number): string => fields[at] ?? "-";
    const optional = (at: number): ByteString | undefined =>
      field(at) === "-" || field(at) === "" ? undefined : unescapeC(line, field(at));
    const path = cString(unescapeC(line, fields[0] ?? ""));
    if (path === "") throw syntax(line, "Invalid empty path");
    const alias = field(2).startsWith("@");
    const modeText = alias ? field(2).slice(1) : field(2);
    const mode = Number(BigInt.asUintN(32, integer(line, modeText, 8))) & 0xffff;
    if (kindOfMode(mode) === undefined) throw badValue(line, `Invalid mode ${modeText}`);
    const size = integer(line, field(1));
    const payload = optionalC(optional(8));
    if (alias) {
      if (payload === undefined) throw badValue(line, "No target path for the hardlink");
      this.#addLink(line, path, payload, mode);
      return;
    }
    const nlink = toUint32(integer(line, field(3)));
    const uid = toUint32(integer(line, field(4)));
    // The C parser has the owner's value and its success in one expression, so that with an owner other than 0 it does
    // not see what is wrong with the group and the device.
    const gid = toUint32(integer(line, field(5), 10, uid !== 0));
    const rdev = toUint32(integer(line, field(6), 10, uid !== 0));
    const [seconds, nanoseconds] = split(field(7), ".");
    const mtime = {
      sec: BigInt.asIntN(64, integer(line, seconds)),
      nsec: toUint32(
        nanoseconds === undefined ? invalidInteger(line, "") : integer(line, nanoseconds, 10, false, true),
      ),
    };
    const type = typeOf({ mode });
    if (this.#strict && rdev !== 0 && type !== S_IFCHR && type !== S_IFBLK) {
      throw badValue(line, "Non-zero devnum on non-device");
    }
    const content = optional(9);
    if (content !== undefined) {
      if (content.length > MAX_CONTENT) {
        throw badValue(line, `Inline content size ${content.length} exceeds maximum ${MAX_CONTENT}`);
      }
      if (BigInt(content.length) !== size && type === S_IFREG) {
        throw badValue(line, `Invalid content size ${content.length}, must match size ${size}`);
      }
      if (this.#strict && type === S_IFLNK) throw badValue(line, "Symlink cannot have content");
    }
    const common = { mode, nlink, uid, gid, rdev, mtime, xattrs: xattrsOf(line, fields.slice(11)) };
    this.#add(line, path, this.#nodeOf(line, { ...common, size }, payload, content, optional(10)));
  }

  #nodeOf(
    line: number,
    common: Omit<ImageNode, "content">,
    payload: ByteString | undefined,
    content: ByteString | undefined,
    digest: ByteString | undefined,
  ): ImageNode {
    const type = typeOf(common);
    if (type === S_IFDIR) return { ...common, children: new Map() };
    if (type === S_IFLNK) {
      if (payload === undefined || payload.length >= MAX_PATH) throw badValue(line, "Invalid symlink");
      const size = BigInt(payload.length);
      if (this.#strict && common.size !== size) {
        throw badValue(line, `Invalid symlink size ${size}, must match size ${common.size}`);
      }
      return { ...common, size, target: payload };
    }
    if (payload !== undefined && payload.length >= MAX_PATH) throw badValue(line, "Invalid payload");
    if (type !== S_IFREG || common.size === 0n) return common;
    if (content !== undefined) {
      return { ...common, content: Uint8Array.from(content, (byte) => byte.charCodeAt(0)) };
    }
    const external: ExternalFile = {
      ...(payload === undefined ? {} : { payload }),
      ...(digest === undefined ? {} : { digest: lenientDigest(digest) }),
    };
    return { ...common, external };
  }

  #add(line: number, path: ByteString, node: ImageNode): void {
    if (path === "/") {
      if (this.#root !== undefined) throw badTree(line, "Can't have multiple roots");
      if (!isDirectory(node)) throw badTree(line, "Root node must be a directory");
      this.#root = node;
      return;
    }
    const { directory, name } = this.#place(line, path);
    if (name === "" || name.length > 255 || directory.children.has(name))
      throw badTree(line, "Can't add child");
    directory.children.set(name, { node, alias: false });
  }

  #addLink(line: number, path: ByteString, target: ByteString, mode: number): void {
    const holder: ImageNode = {
      mode,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      size: 0n,
      mtime: { sec: 0n, nsec: 0 },
      xattrs: [],
    };
    const { directory, name } = this.#place(line, path);
    if (name === "" || name.length > 255 || directory.children.has(name))
      throw badTree(line, "Can't add child");
    directory.children.set(name, { node: holder, alias: true });
    this.#links.push({ line, path, directory, name, target, holder });
  }

  #place(line: number, path: ByteString): { readonly directory: ImageDirectory; readonly name: ByteString } {
    if (this.#root === undefined) throw badTree(line, "Root node not present");
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1) as ByteString;
    let directory: ImageDirectory = this.#root;
    const parts = path
      .slice(0, Math.max(slash, 0))
      .split("/")
      .filter((part) => part !== "") as ByteString[];
    for (const part of [...parts, name]) {
      if (part === "." || part === "..") throw syntax(line, `Invalid . or .. in path: ${displayName(path)}`);
    }
    for (const part of parts) {
      const child = directory.children.get(part);
      if (child === undefined) throw badTree(line, `Parent directory missing for ${displayName(path)}`);
      if (!isDirectory(child.node))
        throw badTree(line, `Parent must be a directory for ${displayName(path)}`);
      directory = child.node;
    }
    return { directory, name };
  }

  /** The newest first, so that of several wrong ones the same is reported. */
  #resolveLinks(): void {
    const targets = new Map<ImageNode, ImageNode>();
    for (const { line, path, target, holder } of this.#links.reverse()) {
      const node = this.#find(target);
      if (node === undefined) {
        throw badTree(line, `No target at ${displayName(target)} for hardlink at ${displayName(path)}`);
      }
      if (isDirectory(node)) throw badTree(line, "Directories can't be hardlinked");
      if (node === holder) throw badTree(line, `Self-referential hardlink ${displayName(path)}`);
      targets.set(holder, node);
    }
    for (const { line, directory, name, holder } of this.#links) {
      let node: ImageNode = holder;
      const seen = new Set<ImageNode>();
      for (let next = targets.get(node); next !== undefined; next = targets.get(node)) {
        if (seen.has(node)) {
          throw erofsErrors.error("hardlink-cycle", "Too many levels of symbolic links", {
            context: { line },
          });
        }
        seen.add(node);
        node = next;
      }
      directory.children.set(name, { node, alias: true });
    }
  }

  #find(path: ByteString): ImageNode | undefined {
    let node: ImageNode | undefined = this.#root;
    for (const part of path.split("/") as ByteString[]) {
      if (part === "") continue;
      node = node !== undefined && isDirectory(node) ? node.children.get(part)?.node : undefined;
    }
    return node;
  }
}

/** C strings end at the first NUL, which an escape can bring in. */
function cString(value: ByteString): ByteString {
  const nul = value.indexOf("\0");
  return nul < 0 ? value : (value.slice(0, nul) as ByteString);
}

function optionalC(value: ByteString | undefined): ByteString | undefined {
  const text = value === undefined ? undefined : cString(value);
  return text === "" ? undefined : text;
}

/** As `strtoull` reads it: blanks and a sign before it, 64 bits, no check of the range. */
function integer(line: number, text: string, base: 8 | 10 = 10, lenient = false, maybeEmpty = false): bigint {
  const pattern = base === 8 ? /^\s*([+-]?)([0-7]*)$/ : /^\s*([+-]?)([0-9]*)$/;
  const parts = pattern.exec(text);
  const [, sign, digits = ""] = parts ?? [];
  if (parts === null || (digits === "" && (sign !== "" || maybeEmpty)))
    return lenient ? 0n : invalidInteger(line, text);
  const value = digits === "" ? 0n : BigInt(base === 8 ? `0o${digits}` : digits);
  const most = (1n << 64n) - 1n;
  if (value > most) return most;
  return BigInt.asUintN(64, sign === "-" ? -value : value);
}

function invalidInteger(line: number, text: string): never {
  throw badValue(line, `Invalid integer ${text}`.trimEnd());
}

function toUint32(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

function split(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** As many bytes as there are pairs of digits before the first that is none, and zeros after them. */
function lenientDigest(text: ByteString): Uint8Array {
  const digest = new Uint8Array(32);
  const digits = /^(?:[0-9a-fA-F]{2})*/.exec(text)?.[0].slice(0, 64) ?? "";
  for (let at = 0; at < digits.length; at += 2)
    digest[at / 2] = Number.parseInt(digits.slice(at, at + 2), 16);
  return digest;
}

function xattrsOf(line: number, fields: readonly string[]): XattrPair[] {
  const text = fields.filter((field) => field !== "");
  if (text.join(" ").length > MAX_XATTR_TEXT) throw badValue(line, "Too many xattrs");
  const xattrs = new Map<ByteString, ByteString>();
  for (const field of text) {
    const [name, value] = split(field, "=");
    if (value === undefined) throw syntax(line, "Missing = in xattr");
    const key = cString(unescapeC(line, name));
    const bytes = unescapeC(line, value);
    xattrs.set(key, bytes);
    let total = 12;
    for (const [each, of] of xattrs) total += 7 + each.length + of.length;
    if (key === "" || key.length > 255 || bytes.length > 65_535 || total > MAX_XATTRS) {
      throw badValue(line, "Can't set xattr");
    }
  }
  return [...xattrs];
}
