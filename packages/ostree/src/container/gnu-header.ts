// Headers of tars as ostree-ext writes them, byte for byte, since a layer's diff id is theirs: GNU, with device fields left
// empty, and used again for the names of one object, so that what a longer name left in a field stays behind a shorter one.

import { type ByteString, bytesOf, concatBytes } from "@bootc-store/core";

const BLOCK = 512;
const FIELD = 100;

export type GnuType = "file" | "hardlink" | "symlink" | "directory";

const FLAGS: Readonly<Record<GnuType, string>> = { file: "0", hardlink: "1", symlink: "2", directory: "5" };

/** Zeros that fill a content of this many bytes to whole blocks. */
export function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

export class GnuHeader {
  readonly #block = new Uint8Array(BLOCK);

  constructor(metadata: { readonly mode: number; readonly uid: number; readonly gid: number }) {
    this.#ascii(257, "ustar  \0");
    this.#number(136, 12, 0);
    this.#number(100, 8, metadata.mode & 0o7777);
    this.#number(108, 8, metadata.uid);
    this.#number(116, 8, metadata.gid);
    this.#number(124, 12, 0);
  }

  /** One that has in its fields what this one has, and is another. */
  clone(): GnuHeader {
    const copy = new GnuHeader({ mode: 0, uid: 0, gid: 0 });
    copy.#block.set(this.#block);
    return copy;
  }

  /** The blocks before an entry's content, long names included. */
  encode(
    type: GnuType,
    name: ByteString,
    options: { readonly size?: number; readonly target?: ByteString } = {},
  ): Uint8Array {
    const parts: Uint8Array[] = [];
    this.#ascii(156, FLAGS[type]);
    this.#number(124, 12, options.size ?? 0);
    if (name.length > FIELD) {
      parts.push(longName("L", name));
      this.#ascii(0, name.slice(0, FIELD));
    } else this.#text(0, name);
    const { target } = options;
    if (target !== undefined) {
      if (target.length > FIELD) {
        parts.push(longName("K", target));
        this.#asFarAsItFits(157, target);
      } else this.#text(157, target);
    }
    checksum(this.#block);
    parts.push(Uint8Array.from(this.#block));
    return concatBytes(parts);
  }

  /** With a NUL behind it, where there is room; what is behind that stays. */
  #text(at: number, text: string): void {
    this.#ascii(at, text.length < FIELD ? `${text}\0` : text);
  }

  /** A target that does not fit is written by its components until one is too long. */
  #asFarAsItFits(at: number, target: string): void {
    let left = FIELD;
    let to = at;
    const put = (text: string): boolean => {
      if (text.length > left) return false;
      this.#ascii(to, text.length < left ? `${text}\0` : text);
      to += text.length;
      left -= text.length;
      return true;
    };
    const parts = target.split("/").filter((part, index) => part !== "" && (part !== "." || index === 0));
    if (target.startsWith("/") && !put("/")) return;
    for (const [index, part] of parts.entries()) {
      if (index > 0 && !put("/")) return;
      if (!put(part)) return;
    }
  }

  #number(at: number, size: number, value: number): void {
    if (value < 8 ** (size - 1)) {
      this.#ascii(at, `${value.toString(8).padStart(size - 1, "0")}\0`);
      return;
    }
    let rest = BigInt(value);
    for (let index = at + size - 1; index >= at; index--) {
      this.#block[index] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    this.#block[at] = (this.#block[at] as number) | 0x80;
  }

  #ascii(at: number, text: string): void {
    ascii(this.#block, at, text);
  }
}

function longName(flag: "L" | "K", value: ByteString): Uint8Array {
  const block = new Uint8Array(BLOCK);
  ascii(block, 0, "././@LongLink");
  ascii(block, 100, "0000644\0");
  ascii(block, 108, "0000000\0");
  ascii(block, 116, "0000000\0");
  return extended(block, flag, "ustar  \0", bytesOf(`${value}\0` as ByteString));
}

/** Attributes of the entry that follows. */
export function paxHeader(records: Iterable<readonly [ByteString, ByteString]>): Uint8Array {
  const text = Array.from(records, ([key, value]) => record(`${key}=${value}\n`)).join("");
  return text === ""
    ? new Uint8Array(0)
    : extended(new Uint8Array(BLOCK), "x", "ustar\x0000", bytesOf(text as ByteString));
}

/** A record says how long it is, itself included. */
function record(text: string): string {
  let length = text.length + 2;
  while (`${length} ${text}`.length !== length) length = `${length} ${text}`.length;
  return `${length} ${text}`;
}

function extended(block: Uint8Array, flag: string, magic: string, content: Uint8Array): Uint8Array {
  ascii(block, 124, `${content.length.toString(8).padStart(11, "0")}\0`);
  ascii(block, 136, "00000000000\0");
  ascii(block, 156, flag);
  ascii(block, 257, magic);
  checksum(block);
  return concatBytes([block, content, padding(content.length)]);
}

function checksum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  ascii(block, 148, `${sum.toString(8).padStart(7, "0")}\0`);
}

function ascii(block: Uint8Array, at: number, text: string): void {
  for (let index = 0; index < text.length; index++) block[at + index] = text.charCodeAt(index);
}
