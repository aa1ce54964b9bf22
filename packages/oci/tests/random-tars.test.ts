/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Random trees, written by GNU tar and bsdtar in all of their formats. Each tar comes out of the segments bit for bit,
// and what its entries say is what `tar -tvv` and Python's tarfile say.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { join } from "node:path";

import { type ByteString, byteString, bytesOf, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { afterAll, expect, test } from "vitest";

import { readSegments, readTar, segmentBytes, type TarEntry } from "../src/index.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

const TREES = process.env["BOOTC_STORE_LONG"] === "1" ? 1000 : 72;
const BATCH = 36;
const isRoot = process.getuid?.() === 0;

/** Every format of both programs, with and without holes and attributes. */
const WRITERS = [
  "tar --format=v7",
  "tar --format=oldgnu",
  "tar --format=oldgnu -S",
  "tar --format=gnu",
  "tar --format=gnu -S",
  "tar --format=ustar",
  "tar --format=posix --xattrs --xattrs-include=*",
  "tar --format=posix -S --sparse-version=0.0",
  "tar --format=posix -S --sparse-version=0.1 --xattrs --xattrs-include=*",
  "tar --format=posix -S --sparse-version=1.0",
  "bsdtar --format=v7",
  "bsdtar --format=ustar",
  "bsdtar --format=gnutar",
  "bsdtar --format=pax --xattrs",
  "bsdtar --format=posix --xattrs --read-sparse",
  "bsdtar --format=paxr --xattrs",
] as const;

function random(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const WORDS = [
  "a",
  "b",
  "file",
  "with space",
  "új",
  "new\nline",
  "back\\slash",
  "-dash",
  "x".repeat(60),
  "y".repeat(101),
  "z".repeat(255),
  ".wh.gone",
];

function nameFor(next: (below: number) => number, at: number): ByteString {
  if (next(12) === 0) return byteString(Uint8Array.of(0x61, 0xff, 0xfe, 48 + (at % 10), 48 + next(10)));
  return utf8(`${at}${WORDS[next(WORDS.length)] ?? ""}`.slice(0, 240));
}

/** Makes a tree below a directory, which is empty. */
function makeTree(path: string, next: (below: number) => number): void {
  using dir = Dir.openHost(utf8(path));
  const native = (name: ByteString): Buffer =>
    Buffer.concat([Buffer.from(`${path}/`), Buffer.from(bytesOf(name))]);
  const directories: ByteString[] = [utf8("")];
  const files: ByteString[] = [];
  const all: ByteString[] = [];
  const count = 3 + next(14);
  for (let at = 0; at < count; at++) {
    const parent = directories[next(directories.length)] as ByteString;
    const own = nameFor(next, at);
    const name = (parent === "" ? own : `${parent}/${own}`) as ByteString;
    if (name.length > 900) continue;
    all.push(name);
    switch (next(isRoot ? 10 : 8)) {
      case 0:
      case 1:
        mkdirSync(native(name));
        directories.push(name);
        break;
      case 2:
        symlinkSync(next(4) === 0 ? "t/".repeat(60) : "../to there", native(name));
        break;
      case 3:
        if (files.length === 0) all.pop();
        else linkSync(native(files[next(files.length)] as ByteString), native(name));
        break;
      case 4:
        dir.mknod(name, "fifo");
        break;
      case 5: {
        writeFileSync(native(name), "");
        truncateSync(native(name), 40_000 + next(4_000_000));
        const fd = openSync(native(name), "r+");
        for (let piece = next(9); piece > 0; piece--) writeSync(fd, "piece", 4096 * next(9) * piece);
        closeSync(fd);
        files.push(name);
        break;
      }
      case 8:
        dir.mknod(name, next(2) === 0 ? "character" : "block", {
          device: { major: next(300), minor: next(70_000) },
        });
        break;
      default:
        writeFileSync(native(name), Buffer.alloc(next(2) === 0 ? next(5) : next(5000), "content"));
        files.push(name);
    }
  }
  for (const name of files) {
    if (next(3) !== 0) continue;
    dir.setXattr(name, utf8("user.bin"), Uint8Array.of(0, 255, 10, 61, next(256)));
    if (isRoot && next(2) === 0)
      dir.setXattr(
        name,
        utf8("security.capability"),
        Buffer.from("0100000200200000000000000000000000000000", "hex"),
      );
  }
  for (const name of all.toReversed()) {
    if (isRoot) lchownSync(native(name), [0, 7, 3_000_000, 4_294_967_290][next(4)] as number, next(70_000));
    if (dir.stat(name).type !== "symlink") chmodSync(native(name), 0o400 | next(0o10000));
    const seconds = [0, 1, 1_700_000_000, 8_589_934_592, 20_000_000_000, -5][next(6)] as number;
    lutimesSync(native(name), seconds, seconds + (next(2) === 0 ? 0 : 0.25));
  }
}

/** As GNU tar lists an entry, blanks between columns apart. */
function listed(entry: TarEntry): string {
  const letters: Record<string, string> = {
    file: "-",
    sparse: "-",
    hardlink: "h",
    symlink: "l",
    char: "c",
    block: "b",
    directory: "d",
    fifo: "p",
  };
  const bits = "rwxrwxrwx";
  let mode = letters[entry.type] ?? "?";
  for (let at = 0; at < 9; at++) {
    const set = (entry.mode & (1 << (8 - at))) !== 0;
    const special = at % 3 === 2 && (entry.mode & (0o4000 >> Math.floor(at / 3))) !== 0;
    const letter = at === 8 ? "t" : "s";
    mode += special ? (set ? letter : letter.toUpperCase()) : set ? (bits[at] as string) : "-";
  }
  const isDevice = entry.type === "char" || entry.type === "block";
  const size = isDevice ? `${entry.devMajor},${entry.devMinor}` : String(entry.size);
  const date = new Date(entry.mtime.sec * 1000).toISOString().replace("T", " ").slice(0, 19);
  const fraction =
    entry.mtime.nsec === 0 ? "" : `.${String(entry.mtime.nsec).padStart(9, "0")}`.replace(/0+$/, "");
  const link =
    entry.type === "hardlink"
      ? ` link to ${escaped(entry.linkName)}`
      : entry.type === "symlink"
        ? ` -> ${escaped(entry.linkName)}`
        : "";
  return `${mode} ${entry.uid}/${entry.gid} ${size} ${date}${fraction} ${escaped(entry.name)}${link}`;
}

/** `--quoting-style=escape` in the C locale. */
function escaped(name: ByteString): string {
  return name.replace(/[^ -[\]-~]/g, (character) => {
    const known = { "\n": "\\n", "\\": "\\\\" }[character];
    return known ?? `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
}

const LINE = /^(\S{10}) (\d+\/\d+)\s+(\S+) (\d+-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)? +(.*)$/s;

function normal(line: string): string {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`not a line of tar's: ${line}`);
  const [, mode, owner, size, date, fraction = "", rest] = match;
  return `${mode} ${owner} ${size} ${date}${fraction.replace(/\.?0*$/, "")} ${rest}`;
}

const PYTHON = `
import json, sys, tarfile
def raw(text): return text.encode("utf-8", "surrogateescape").hex()
out = []
for path in json.load(sys.stdin):
    rows = []
    with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
        for m in tar:
            xattrs = {raw(k[13:]): raw(v) for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            rows.append([raw(m.name), raw(m.linkname), m.mode & 0o7777, m.uid, m.gid, m.size, float(m.mtime), m.devmajor, m.devminor, xattrs])
    out.append(rows)
json.dump(out, sys.stdout)
`;

type PythonRow = [
  string,
  string,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  Record<string, string>,
];

const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");

function pythonRow(entry: TarEntry): PythonRow {
  const schily = [...entry.pax].filter(([key]) => key.startsWith("SCHILY.xattr."));
  // Where a sparse file has a placeholder in `path` as well, Python takes the later of the two; GNU tar, whose form it
  // is, does not.
  const keys = [...entry.pax.keys()] as string[];
  const later = keys.indexOf("path") > keys.indexOf("GNU.sparse.name") && keys.includes("GNU.sparse.name");
  const placeholder = later ? entry.pax.get(utf8("path")) : undefined;
  return [
    hex((placeholder ?? entry.name).replace(/\/+$/, "")),
    hex(entry.linkName),
    entry.mode,
    entry.uid,
    entry.gid,
    entry.size,
    entry.mtime.sec + entry.mtime.nsec / 1e9,
    entry.devMajor,
    entry.devMinor,
    Object.fromEntries(schily.map(([key, value]) => [hex(key.slice(13)), hex(value)])),
  ];
}

async function* chunked(bytes: Uint8Array, next: (below: number) => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const size = 1 + (next(3) === 0 ? next(700) : next(90_000));
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const missing = lab.missing({ peers: ["tar", "bsdtar", "sh"], programs: ["python3"] });

test.skipIf(missing !== undefined)(
  `${TREES} random trees ${missing ?? ""}`,
  async () => {
    await using scratch = lab.scratch("tars");
    const counts = { tars: 0, entries: 0, xattrs: 0, sparse: 0 };
    for (let first = 0; first < TREES; first += BATCH) {
      const numbers = Array.from({ length: Math.min(BATCH, TREES - first) }, (_, at) => first + at);
      const base = mkdtempSync(join(scratch.path, "b"));
      const script: string[] = ["export LC_ALL=C TZ=UTC"];
      for (const number of numbers) {
        mkdirSync(join(base, `t${number}`));
        makeTree(join(base, `t${number}`), random(number + 1));
        const writer = WRITERS[number % WRITERS.length] as string;
        // What a format cannot hold its program leaves out, and says so by its exit code.
        script.push(
          `(cd ${base}/t${number} && ${writer.replace("=*", "='*'")} -cf ../a${number} .) 2>> ${base}/said || :`,
        );
        script.push(
          `tar --numeric-owner --full-time --quoting-style=escape -tvvf ${base}/a${number} > ${base}/l${number} 2>> ${base}/said || :`,
        );
      }
      await lab.peers.sh.succeed(["-c", script.join("\n")]);
      const python = spawnSync("python3", ["-c", PYTHON], {
        input: JSON.stringify(numbers.map((number) => join(base, `a${number}`))),
        encoding: "utf8",
        maxBuffer: 1 << 28,
      });
      if (python.status !== 0) throw new Error(python.stderr);
      const rows = JSON.parse(python.stdout) as PythonRow[][];
      for (const [at, number] of numbers.entries()) {
        const about = `tree ${number}, ${WRITERS[number % WRITERS.length] ?? ""}`;
        const bytes = readFileSync(join(base, `a${number}`));
        const next = random(number + 77);
        const rebuilt = Buffer.concat(
          await Array.fromAsync(segmentBytes(readSegments(chunked(bytes, next)))),
        );
        expect(rebuilt.equals(bytes), `in ${about}`).toBe(true);
        const entries: TarEntry[] = [];
        for await (const item of readTar(chunked(bytes, next)))
          if (item.kind === "entry") entries.push(item.entry);
        const lines = readFileSync(join(base, `l${number}`), "latin1")
          .trimEnd()
          .split("\n")
          .map(normal);
        expect(entries.map(listed).map(normal), `in ${about}`).toEqual(lines);
        expect(entries.map(pythonRow), `in ${about}`).toEqual(rows[at]);
        counts.tars++;
        counts.entries += entries.length;
        counts.xattrs += entries.filter(({ xattrs }) => xattrs.size > 0).length;
        counts.sparse += entries.filter(({ sparse }) => sparse !== undefined).length;
        for (const { xattrs } of entries) {
          const bin = xattrs.get(utf8("user.bin"));
          if (bin !== undefined) expect(bin.slice(0, 4)).toBe("\x00\xff\n=");
        }
      }
      rmSync(base, { recursive: true });
    }
    expect(counts.tars).toBe(TREES);
    expect(counts.entries).toBeGreaterThan(TREES * 5);
    expect(counts.xattrs).toBeGreaterThan(TREES / 20);
    expect(counts.sparse).toBeGreaterThan(TREES / 20);
    console.log(`random trees: ${JSON.stringify(counts)}`);
  },
  600_000,
);
