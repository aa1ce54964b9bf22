// Tars as they are written here: pax where a value needs it, else plain ustar, so that every reader has the same
// opinion of them.

import { type ByteString, bytesOf, concatBytes, displayName } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { TarEntryType } from "./entry.ts";
import { BLOCK } from "./header.ts";
import { printPax, printPaxTime } from "./pax.ts";

/** An entry to be written. */
export interface TarEntryInit {
  readonly type: Exclude<TarEntryType, "sparse" | "global" | "other">;
  /** Directories get a trailing slash where they have none. */
  readonly name: ByteString;
  /** Target of a hard or symbolic link. */
  readonly linkName?: ByteString;
  /** Twelve permission bits; by default 0755 for directories, 0777 for symlinks, else 0644. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly uname?: ByteString;
  readonly gname?: ByteString;
  /** Bytes of content, of files only. */
  readonly size?: number;
  readonly mtime?: { readonly sec: number; readonly nsec: number };
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly xattrs?: Iterable<readonly [ByteString, ByteString]>;
}

export interface WriteTarOptions {
  /**
   * `pax` (the default) writes extended headers where a value does not fit; `gnu` long names and base-256 numbers;
   * `ustar` refuses with `oci/tar-value-unencodable`.
   */
  readonly format?: "ustar" | "pax" | "gnu";
}

const TYPEFLAGS: Readonly<Record<TarEntryInit["type"], string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** What ends a tar. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/** Zeros that follow a content of this many bytes. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The header blocks of an entry. Throws `oci/tar-value-unencodable`. */
export function encodeTarEntry(entry: TarEntryInit, options: WriteTarOptions = {}): Uint8Array {
  return new EntryEncoder(entry, options.format ?? "pax").encode();
}

/** A tar of entries and their contents, which must have as many bytes as their entries say. */
export async function* writeTar(
  items: AsyncIterable<TarEntryToWrite> | Iterable<TarEntryToWrite>,
  options: WriteTarOptions = {},
): AsyncGenerator<Uint8Array> {
  for await (const { entry, content } of items) {
    yield encodeTarEntry(entry, options);
    const size = entry.size ?? 0;
    let written = 0;
    if (content !== undefined) {
      for await (const chunk of content instanceof Uint8Array ? [content] : content) {
        written += chunk.length;
        yield chunk;
      }
    }
    if (written !== size) {
      throw ociErrors.error(
        "content-size",
        `"${displayName(entry.name)}" has ${written} bytes of content, its entry says ${size}`,
      );
    }
    if (size % BLOCK !== 0) yield tarPadding(size);
  }
  yield TAR_END;
}

export interface TarEntryToWrite {
  readonly entry: TarEntryInit;
  readonly content?: Uint8Array | AsyncIterable<Uint8Array>;
}

class EntryEncoder {
  readonly #entry: TarEntryInit;
  readonly #format: "ustar" | "pax" | "gnu";
  readonly #block = new Uint8Array(BLOCK);
  readonly #pax: ByteString[] = [];
  readonly #before: Uint8Array[] = [];

  constructor(entry: TarEntryInit, format: "ustar" | "pax" | "gnu") {
    this.#entry = entry;
    this.#format = format;
  }

  encode(): Uint8Array {
    const entry = this.#entry;
    const directory = entry.type === "directory";
    if (entry.size !== undefined && entry.size !== 0 && entry.type !== "file") {
      throw this.#unencodable("only a file has content");
    }
    const slashed = directory && !entry.name.endsWith("/");
    this.#name(slashed ? (`${entry.name}/` as ByteString) : entry.name);
    this.#link(entry.linkName ?? ("" as ByteString));
    const usual = directory ? 0o755 : entry.type === "symlink" ? 0o777 : 0o644;
    this.#octal(100, 8, (entry.mode ?? usual) & 0o7777);
    this.#number("uid", 108, 8, entry.uid ?? 0);
    this.#number("gid", 116, 8, entry.gid ?? 0);
    this.#number("size", 124, 12, entry.size ?? 0);
    this.#time(entry.mtime ?? { sec: 0, nsec: 0 });
    this.#ascii(156, TYPEFLAGS[entry.type]);
    this.#ascii(257, this.#format === "gnu" ? "ustar  \0" : "ustar\x0000");
    this.#text("uname", 265, 32, entry.uname ?? ("" as ByteString));
    this.#text("gname", 297, 32, entry.gname ?? ("" as ByteString));
    this.#device(329, entry.devMajor ?? 0);
    this.#device(337, entry.devMinor ?? 0);
    for (const [name, value] of entry.xattrs ?? []) {
      if (name.includes("=") || name.includes("\0"))
        throw this.#unencodable("an attribute's name has = or NUL in it");
      if (this.#format !== "pax") throw this.#unencodable("this form of tar has no extended attributes");
      this.#pax.push(printPax(`SCHILY.xattr.${name}` as ByteString, value));
    }
    checksum(this.#block);
    if (this.#pax.length > 0)
      this.#before.push(
        ...extendedHeader("x", "PaxHeaders/entry", bytesOf(this.#pax.join("") as ByteString)),
      );
    return concatBytes([...this.#before, this.#block]);
  }

  #name(name: ByteString): void {
    if (name === "" || name.includes("\0")) throw this.#unencodable("its name is empty or has a NUL in it");
    if (name.length <= 100) {
      this.#ascii(0, name);
      return;
    }
    if (this.#format !== "gnu") {
      // Split where prefix and name both fit; a prefix is not taken apart by any reader.
      const slash = name.indexOf("/", name.length - 101);
      if (slash > 0 && slash <= 155 && slash < name.length - 1) {
        this.#ascii(345, name.slice(0, slash));
        this.#ascii(0, name.slice(slash + 1));
        return;
      }
    }
    this.#long("path", "L", name);
    this.#ascii(0, name.slice(0, 100));
  }

  #link(target: ByteString): void {
    if (target.includes("\0")) throw this.#unencodable("its link target has a NUL in it");
    if (target.length > 100) this.#long("linkpath", "K", target);
    this.#ascii(157, target.slice(0, 100));
  }

  #long(key: string, typeflag: string, value: ByteString): void {
    if (this.#format === "pax") this.#pax.push(printPax(key as ByteString, value));
    else if (this.#format === "gnu") {
      this.#before.push(...extendedHeader(typeflag, "././@LongLink", bytesOf(`${value}\0` as ByteString)));
    } else throw this.#unencodable(`its ${key} is too long`);
  }

  #text(key: string, at: number, size: number, value: ByteString): void {
    if (value.includes("\0")) throw this.#unencodable(`its ${key} has a NUL in it`);
    if (value.length > size) {
      if (this.#format !== "pax") throw this.#unencodable(`its ${key} is too long`);
      this.#pax.push(printPax(key as ByteString, value));
    }
    this.#ascii(at, value.slice(0, size));
  }

  #number(key: string, at: number, size: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw this.#unencodable(`${value} is no ${key}`);
    if (value < 8 ** (size - 1)) this.#octal(at, size, value);
    else if (this.#format === "pax") {
      this.#pax.push(printPax(key as ByteString, String(value) as ByteString));
      this.#octal(at, size, 0);
    } else if (this.#format === "gnu") this.#base256(at, size, value);
    else throw this.#unencodable(`its ${key} is too large`);
  }

  #time({ sec, nsec }: { readonly sec: number; readonly nsec: number }): void {
    if (!Number.isSafeInteger(sec)) throw this.#unencodable("its time is none");
    const fits = sec >= 0 && sec < 8 ** 11;
    if (this.#format === "pax" && (!fits || nsec !== 0)) {
      this.#pax.push(printPax("mtime" as ByteString, printPaxTime({ sec, nsec })));
    } else if (!fits && this.#format === "ustar") throw this.#unencodable("its time does not fit");
    if (fits) this.#octal(136, 12, sec);
    else if (this.#format === "gnu") this.#base256(136, 12, sec);
    else this.#octal(136, 12, 0);
  }

  #device(at: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw this.#unencodable(`${value} is no device number`);
    if (value < 8 ** 7) this.#octal(at, 8, value);
    else if (this.#format === "ustar") throw this.#unencodable("its device number is too large");
    else this.#base256(at, 8, value);
  }

  #octal(at: number, size: number, value: number): void {
    this.#ascii(at, `${value.toString(8).padStart(size - 1, "0")}\0`);
  }

  #base256(at: number, size: number, value: number): void {
    let rest = BigInt.asUintN(size * 8, BigInt(value));
    for (let index = at + size - 1; index >= at; index--) {
      this.#block[index] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    this.#block[at] = (this.#block[at] as number) | 0x80;
  }

  #ascii(at: number, text: string): void {
    for (let index = 0; index < text.length; index++) this.#block[at + index] = text.charCodeAt(index);
  }

  #unencodable(problem: string): Error {
    const name = displayName(this.#entry.name.slice(0, 200) as ByteString);
    return ociErrors.error("tar-value-unencodable", `"${name}": ${problem}`);
  }
}

/** An extended header with its content and padding. */
function extendedHeader(typeflag: string, name: string, content: Uint8Array): Uint8Array[] {
  const block = new Uint8Array(BLOCK);
  const ascii = (at: number, text: string): void => {
    for (let index = 0; index < text.length; index++) block[at + index] = text.charCodeAt(index);
  };
  ascii(0, name);
  for (const at of [100, 108, 116]) ascii(at, at === 100 ? "0000644\0" : "0000000\0");
  ascii(124, `${content.length.toString(8).padStart(11, "0")}\0`);
  ascii(136, "00000000000\0");
  ascii(156, typeflag);
  ascii(257, typeflag === "x" ? "ustar\x0000" : "ustar  \0");
  checksum(block);
  return [block, content, tarPadding(content.length)];
}

function checksum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  const text = `${sum.toString(8).padStart(6, "0")}\0 `;
  for (let index = 0; index < text.length; index++) block[148 + index] = text.charCodeAt(index);
}
