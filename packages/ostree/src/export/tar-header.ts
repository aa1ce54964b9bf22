import { type ByteString, bytesOf } from "@bootc-store/core";

/** What an entry of an exported tar says. */
export interface ExportEntry {
  readonly path: ByteString;
  readonly type: "file" | "directory" | "symlink" | "hardlink";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly link?: ByteString;
  readonly xattrs?: Iterable<readonly [ByteString, ByteString]>;
}

const BLOCK = 512;
const TYPES = { file: "0", hardlink: "1", symlink: "2", directory: "5" } as const;

/** The headers of an entry in GNU's form: long names in entries of their own, attributes in a pax header. */
export function tarHeader(entry: ExportEntry): Uint8Array {
  const parts: Uint8Array[] = [];
  const records = [...(entry.xattrs ?? [])].map(([name, value]) =>
    paxRecord(`SCHILY.xattr.${name}` as ByteString, value),
  );
  if (records.length > 0) {
    const data = Buffer.concat(records);
    parts.push(
      header(
        {
          ...entry,
          type: "file",
          path: `PaxHeaders/${entry.path.slice(-80)}` as ByteString,
          size: data.length,
        },
        "x",
      ),
    );
    parts.push(padded(data));
  }
  if (entry.link !== undefined && entry.link.length > 100)
    parts.push(...longName(entry.link, "K", entry.link));
  const path = (entry.type === "directory" ? `${entry.path}/` : entry.path) as ByteString;
  if (path.length > 100) parts.push(...longName(path, "L", entry.link));
  parts.push(header({ ...entry, path }, TYPES[entry.type]));
  return Buffer.concat(parts);
}

/** Zeros up to the next block. */
export function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Two empty blocks, filled up to the record of 20 unless it is to end there. */
export function tarEnd(written: number, fill: boolean): Uint8Array {
  if (!fill) return new Uint8Array(2 * BLOCK);
  const end = written + 2 * BLOCK;
  return new Uint8Array(2 * BLOCK + ((20 * BLOCK - (end % (20 * BLOCK))) % (20 * BLOCK)));
}

function longName(name: ByteString, type: "L" | "K", link: ByteString | undefined): Uint8Array[] {
  const data = bytesOf(`${name}\0` as ByteString);
  const entry = {
    path: (type === "K" ? "././@LongLink" : "././@LongName") as ByteString,
    type: "file",
    mode: 0,
    uid: 0,
    gid: 0,
    size: data.length,
    mtime: 0,
    // As libarchive has it.
    ...(link === undefined ? {} : { link }),
  } as const;
  return [header(entry, type), padded(data)];
}

function padded(data: Uint8Array): Uint8Array {
  return Buffer.concat([data, padding(data.length)]);
}

function paxRecord(key: ByteString, value: ByteString): Uint8Array {
  const body = ` ${key}=${value}\n`;
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.from(`${length}${body}`, "latin1");
}

function header(entry: ExportEntry, type: string): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(entry.path.slice(0, 100), 0, "latin1");
  number(block, 100, 8, entry.mode & 0o7777);
  number(block, 108, 8, entry.uid);
  number(block, 116, 8, entry.gid);
  number(block, 124, 12, entry.size);
  number(block, 136, 12, entry.mtime);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write((entry.link ?? "").slice(0, 100), 157, "latin1");
  block.write("ustar  \0", 257, "latin1");
  if (type === "L" || type === "K") {
    block.write("root", 265, "latin1");
    block.write("wheel", 297, "latin1");
  }
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Octal digits where they suffice, else the number itself in base 256. */
function number(block: Buffer, at: number, width: number, value: number): void {
  const digits = value.toString(8);
  if (value >= 0 && digits.length < width) {
    block.write(`${digits.padStart(width - 1, "0")}\0`, at, "latin1");
    return;
  }
  let rest = BigInt.asUintN(8 * width, BigInt(value));
  for (let index = width - 1; index >= 0; index--) {
    block[at + index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[at] = value < 0 ? 0xff : 0x80;
}
