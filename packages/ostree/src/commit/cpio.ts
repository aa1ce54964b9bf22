// cpio archives as entries. Four forms, told by the first bytes: `newc` and its twin with checksums (hexadecimal), `odc`
// (octal), and the old binary one in either byte order. cpio(5) of libarchive has the tables.

import { byteString, type ByteString, displayName } from "@bootc-store/core";
import type { SegmentContent, TarEntry } from "@bootc-store/oci";
import { kindOfMode } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";

export interface CpioItem {
  readonly entry: TarEntry;
  readonly content?: SegmentContent<never>;
}

interface Header {
  readonly device: string;
  readonly inode: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly mtime: number;
  readonly nameSize: number;
  readonly size: number;
}

interface Form {
  readonly headerSize: number;
  /** Names with their header, and contents, end at multiples of this. */
  readonly padding: number;
  readonly parse: (header: Uint8Array) => Header;
}

const NAME_LIMIT = 1 << 20;
const TRAILER = "TRAILER!!!";

/** What begins so, if it is a cpio archive. */
function formOf(head: Uint8Array): Form | undefined {
  const text = byteString(head.subarray(0, 6)) as string;
  if (text === "070701" || text === "070702") return { headerSize: 110, padding: 4, parse: parseHexadecimal };
  if (text === "070707") return { headerSize: 76, padding: 1, parse: parseOctal };
  if (head[0] === 0xc7 && head[1] === 0x71) return { headerSize: 26, padding: 2, parse: parseBinary(true) };
  if (head[0] === 0x71 && head[1] === 0xc7) return { headerSize: 26, padding: 2, parse: parseBinary(false) };
  return undefined;
}

export function isCpio(head: Uint8Array): boolean {
  return formOf(head) !== undefined;
}

/** Numbers of a header, one after another from `at`, each of so many digits. */
function digits(header: Uint8Array, base: 8 | 16, at: number, widths: readonly number[]): number[] {
  const valid = base === 8 ? /^[0-7]+$/ : /^[0-9a-fA-F]+$/;
  return widths.map((width) => {
    const text = byteString(header.subarray(at, (at += width)));
    if (!valid.test(text)) throw invalid(`"${displayName(text)}" is no number`);
    return Number.parseInt(text, base);
  });
}

type Fields<N extends string> = { readonly [name in N]: number };

function named<N extends string>(names: readonly N[], values: readonly number[]): Fields<N> {
  return Object.fromEntries(names.map((name, at) => [name, values[at]])) as Fields<N>;
}

const HEX = [
  "inode",
  "mode",
  "uid",
  "gid",
  "links",
  "mtime",
  "size",
  "major",
  "minor",
  "deviceMajor",
  "deviceMinor",
  "nameSize",
  "check",
] as const;

function parseHexadecimal(header: Uint8Array): Header {
  const fields = named(
    HEX,
    digits(
      header,
      16,
      6,
      HEX.map(() => 8),
    ),
  );
  return { ...fields, device: `${fields.major}:${fields.minor}` };
}

const OCTAL = [
  ["dev", 6],
  ["inode", 6],
  ["mode", 6],
  ["uid", 6],
  ["gid", 6],
  ["links", 6],
  ["rdev", 6],
  ["mtime", 11],
  ["nameSize", 6],
  ["size", 11],
] as const;

function parseOctal(header: Uint8Array): Header {
  const fields = named(
    OCTAL.map(([name]) => name),
    digits(
      header,
      8,
      6,
      OCTAL.map(([, width]) => width),
    ),
  );
  return { ...fields, device: String(fields.dev), ...splitDevice(fields.rdev) };
}

const BINARY = ["dev", "inode", "mode", "uid", "gid", "links", "rdev"] as const;

function parseBinary(little: boolean): (header: Uint8Array) => Header {
  return (header) => {
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const word = (at: number): number => view.getUint16(at * 2, little);
    // Of long numbers the high half comes first, in both byte orders.
    const long = (at: number): number => word(at) * 0x1_0000 + word(at + 1);
    const fields = named(
      BINARY,
      BINARY.map((_, at) => word(at + 1)),
    );
    return {
      ...fields,
      mtime: long(8),
      nameSize: word(10),
      size: long(11),
      device: String(fields.dev),
      ...splitDevice(fields.rdev),
    };
  };
}

function splitDevice(rdev: number): { readonly deviceMajor: number; readonly deviceMinor: number } {
  return { deviceMajor: rdev >> 8, deviceMinor: rdev & 0xff };
}

/**
 * The entries of a cpio archive. The content of an item is to be read before the next is asked for; what was not read
 * is passed over. Of files with several names one may hold the content for all: it comes first then, and the others
 * come as links to it. Throws `ostree/tar-invalid`.
 */
export async function* readCpio(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CpioItem> {
  const stream = new ByteStream(chunks);
  try {
    const form = formOf(await stream.peek(6));
    if (form === undefined) throw invalid("it does not begin like a cpio archive");
    const families = new Map<string, Family>();
    for (;;) {
      const header = form.parse(await headerBytes(stream, form));
      const name = await readName(stream, header, form);
      if (name === TRAILER) break;
      yield* entryOf(stream, header, name, form, families);
    }
    // Names whose content never came: the first is an empty file.
    for (const { waiting, at } of families.values()) {
      if (at !== undefined || waiting[0] === undefined) continue;
      yield waiting[0];
      for (const other of waiting.slice(1)) yield linkTo(waiting[0].entry.name, other);
    }
  } finally {
    await stream.close();
  }
}

/** Names of one inode. */
interface Family {
  /** The name under which the content has come. */
  at: ByteString | undefined;
  readonly waiting: CpioItem[];
  left: number;
}

async function headerBytes(stream: ByteStream, form: Form): Promise<Uint8Array> {
  const bytes = await stream.take(form.headerSize);
  if (formOf(bytes)?.headerSize !== form.headerSize) throw invalid("a header does not begin as one does");
  return bytes;
}

async function readName(stream: ByteStream, { nameSize }: Header, form: Form): Promise<ByteString> {
  if (nameSize === 0 || nameSize > NAME_LIMIT) throw invalid(`a name of ${nameSize} bytes`);
  const bytes = await stream.take(nameSize);
  await stream.skip(paddingOf(form.headerSize + nameSize, form));
  const end = bytes.indexOf(0);
  return byteString(end < 0 ? bytes : bytes.subarray(0, end));
}

function paddingOf(size: number, { padding }: Form): number {
  return (padding - (size % padding)) % padding;
}

async function* entryOf(
  stream: ByteStream,
  header: Header,
  name: ByteString,
  form: Form,
  families: Map<string, Family>,
): AsyncGenerator<CpioItem> {
  const { size } = header;
  const type = kindOfMode(header.mode);
  const padding = paddingOf(size, form);
  if (type === "symlink") {
    if (size > NAME_LIMIT) throw invalid(`${displayName(name)}: a link of ${size} bytes`);
    const target = byteString(await stream.take(size));
    await stream.skip(padding);
    yield { entry: entryFor(header, name, "symlink", target) };
    return;
  }
  if (type === undefined || type === "socket")
    throw invalid(`${displayName(name)}: a mode of 0${header.mode.toString(8)}`);
  const entry = entryFor(header, name, type);
  const key = `${header.device} ${header.inode}`;
  let family = families.get(key);
  if (type === "file" && header.links > 1 && family === undefined) {
    family = { at: undefined, waiting: [], left: header.links };
    families.set(key, family);
  }
  if (type !== "file" || family === undefined) {
    yield* withContent(stream, entry, size);
    await stream.skip(padding);
    return;
  }
  family.left--;
  if (family.at !== undefined) {
    // Some programs write the content with every name.
    await stream.skip(size + padding);
    yield linkTo(family.at, { entry });
  } else if (size === 0 && family.left > 0) family.waiting.push({ entry });
  else {
    const first = family.waiting[0]?.entry.name ?? name;
    family.at = first;
    yield* withContent(stream, { ...entry, name: first }, size);
    await stream.skip(padding);
    for (const other of family.waiting.slice(1)) yield linkTo(first, other);
    if (first !== name) yield linkTo(first, { entry });
    family.waiting.length = 0;
  }
  // Numbers of inodes come again in long archives.
  if (family.left <= 0) families.delete(key);
}

function linkTo(target: ByteString, { entry }: CpioItem): CpioItem {
  return { entry: { ...entry, type: "hardlink", linkName: target, size: 0, storedSize: 0 } };
}

async function* withContent(stream: ByteStream, entry: TarEntry, size: number): AsyncGenerator<CpioItem> {
  if (size === 0) {
    yield { entry };
    return;
  }
  const end = stream.position + size;
  const content: SegmentContent<never> = { size, read: () => stream.read(end - stream.position) };
  yield { entry, content };
  await stream.skip(end - stream.position);
}

function entryFor(
  header: Header,
  name: ByteString,
  type: TarEntry["type"],
  linkName = "" as ByteString,
): TarEntry {
  const size = type === "file" ? header.size : 0;
  return {
    type,
    typeflag: 0,
    format: "v7",
    name,
    linkName,
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    uname: "" as ByteString,
    gname: "" as ByteString,
    size,
    storedSize: size,
    headerSize: header.size,
    mtime: { sec: header.mtime, nsec: 0 },
    devMajor: header.deviceMajor,
    devMinor: header.deviceMinor,
    xattrs: NONE,
    pax: NONE,
  };
}

const NONE: ReadonlyMap<ByteString, ByteString> = new Map();

/** Bytes of a stream as they are asked for. */
class ByteStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async #fill(): Promise<void> {
    while (this.#held.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw invalid(`it ends at byte ${this.position}, in the middle`);
      this.#held = next.value;
    }
  }

  /** The next bytes, which stay. */
  async peek(size: number): Promise<Uint8Array> {
    const bytes = await this.take(size);
    this.position -= size;
    this.#held = Buffer.concat([bytes, this.#held]);
    return bytes;
  }

  async take(size: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(size);
    let at = 0;
    for await (const piece of this.read(size)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  async *read(size: number): AsyncGenerator<Uint8Array> {
    let left = size;
    while (left > 0) {
      await this.#fill();
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      this.position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  async skip(size: number): Promise<void> {
    for await (const piece of this.read(size)) void piece;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function invalid(problem: string): Error {
  return ostreeErrors.error("tar-invalid", `cpio archive: ${problem}`);
}
