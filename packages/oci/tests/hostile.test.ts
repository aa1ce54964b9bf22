// Tars that want to do harm, each with the code that it ends with under the overlay rules and under composefs-rs's.
import { spawnSync } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createGzip } from "node:zlib";

import { type ByteString, bytesOf, utf8 } from "@bootc-store/core";
import { afterAll, expect, test } from "vitest";

import { encodeTarEntry, TAR_END, type TarEntryInit, tarPadding } from "../src/index.ts";
import { printPax } from "../src/tar/pax.ts";

const dir = mkdtempSync(join(tmpdir(), "bootc-store-oci-"));
afterAll(() => rmSync(dir, { recursive: true }));

const entry = (name: string, init: Partial<TarEntryInit> = {}, content = ""): Buffer =>
  Buffer.concat([
    encodeTarEntry({ type: "file", name: utf8(name), size: content.length, ...init }),
    Buffer.from(content),
    tarPadding(content.length),
  ]);
const link = (name: string, target: string, type: "symlink" | "hardlink" = "symlink"): Buffer =>
  entry(name, { type, linkName: utf8(target) });
const tar = (...parts: Uint8Array[]): Buffer => Buffer.concat([...parts, TAR_END]);

/** An entry of any type byte, with a header field changed and its checksum made right again. */
function raw(type: string, content: Uint8Array, change: (block: Buffer) => void = () => {}): Buffer {
  const block = Buffer.from(encodeTarEntry({ type: "file", name: utf8("x"), size: content.length }));
  block.write(type, 156, "latin1");
  change(block);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([block, content, tarPadding(content.length)]);
}
const pax = (...records: [string, string][]): Buffer =>
  raw(
    "x",
    bytesOf(
      records.map(([key, value]) => printPax(key as ByteString, value as ByteString)).join("") as ByteString,
    ),
  );
const sized = (bytes: readonly number[]): Buffer =>
  raw("0", new Uint8Array(0), (block) => Buffer.from(bytes).copy(block, 124));

const deepMap = (count: number): Buffer => {
  const map = Buffer.from(`${count}\n${"0\n0\n".repeat(200)}`);
  const records: [string, string][] = [
    ["GNU.sparse.major", "1"],
    ["GNU.sparse.minor", "0"],
    ["GNU.sparse.name", "s"],
    ["GNU.sparse.realsize", "1000000"],
  ];
  return Buffer.concat([pax(...records), raw("0", Buffer.concat([map, tarPadding(map.length)]))]);
};

const gnuSparse = (extensions: number, size: readonly number[]): Buffer => {
  const header = raw("S", new Uint8Array(0), (block) => {
    block.write("ustar  \0", 257, "latin1");
    block.fill(0, 345, 500);
    block.write("00000000000\0", 386, "latin1");
    block.write("00000000000\0", 398, "latin1");
    if (extensions > 0) block[482] = 1;
    Buffer.from(size).copy(block, 483);
  });
  const extension = Buffer.alloc(512);
  for (let at = 0; at < 21; at++) extension.write("00000000000\0".repeat(2), at * 24, "latin1");
  extension[504] = 1;
  return Buffer.concat([header, ...Array.from({ length: extensions }, () => extension)]);
};

const octal = (value: number): number[] => [...Buffer.from(`${value.toString(8).padStart(11, "0")}\0`)];
const EIB8 = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

type Row = readonly [
  name: string,
  bytes: Buffer,
  codes: string | readonly [string, string],
  options?: object,
];

const ROWS: readonly Row[] = [
  ["a path out of the root", tar(entry("../x")), ["tree/path-escapes", "tree/path-invalid"]],
  ["one that goes in first", tar(entry("a/../../x")), ["tree/path-escapes", "tree/path-invalid"]],
  ["an absolute name", tar(entry("/etc"), entry("/usr/../../x")), ["accepted", "tree/path-invalid"]],
  ["a link that points out", tar(link("a", "../../etc")), ["tree/path-escapes", "accepted"]],
  // Where there is such a directory in the layer itself, that is where overlay's unpacker goes.
  [
    "through one to a directory of the layer",
    tar(entry("etc", { type: "directory" }), link("a", "/etc"), entry("a/passwd", {}, "x")),
    ["accepted", "tree/path-not-directory"],
  ],
  [
    "and is then written through",
    tar(link("a", "/etc"), entry("a/passwd", {}, "x")),
    "tree/path-not-directory",
  ],
  ["through a loop of links", tar(link("a", "b"), link("b", "a"), entry("a/x")), "tree/path-not-directory"],
  [
    "a hard link to outside",
    tar(link("a", "../../etc/passwd", "hardlink")),
    ["tree/path-escapes", "tree/path-invalid"],
  ],
  ["a hard link to nothing", tar(link("a", "b", "hardlink")), "tree/hardlink-target-missing"],
  ["a hard link to itself", tar(link("a", "a", "hardlink")), "tree/hardlink-target-missing"],
  [
    "a hard link to a directory",
    tar(entry("d", { type: "directory" }), link("a", "d", "hardlink")),
    "tree/hardlink-target-directory",
  ],
  [
    "a device where none is allowed",
    tar(entry("sda", { type: "block", devMajor: 8 })),
    "oci/tar-device",
    { devices: "refuse" },
  ],
  [
    "a device with numbers that there are not",
    tar(entry("c", { type: "char", devMajor: 70_000 })),
    "tree/metadata-invalid",
  ],
  ["two entries of one name", tar(entry("a"), entry("./a")), "oci/tar-duplicate", { duplicates: "refuse" }],
  ["a header with a wrong checksum", tar(Buffer.from(entry("a").fill(1, 0, 1))), "oci/tar-header-invalid"],
  ["a size of 8 EiB", tar(sized(EIB8)), "oci/tar-header-invalid"],
  ["a size of 2^95", tar(sized([0x80, 0xff, ...EIB8.slice(2)])), "oci/tar-header-invalid"],
  ["a negative size", tar(sized(Array.from({ length: 12 }, () => 0xff))), "oci/tar-header-invalid"],
  [
    "a size of 8 PiB and nothing",
    tar(sized([0x80, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    "oci/tar-truncated",
  ],
  [
    "a size of 2^64 by pax",
    tar(pax(["size", "18446744073709551616"]), entry("a")),
    "oci/tar-extended-invalid",
  ],
  ["a negative size by pax", tar(pax(["size", "-1"]), entry("a")), "oci/tar-extended-invalid"],
  [
    "a hard link that says it has content",
    tar(raw("1", new Uint8Array(0), (block) => block.write("00000001000\0", 124))),
    "oci/tar-entry-unsupported",
    { sizeWithoutContent: "refuse" },
  ],
  ["a path 100,000 deep", tar(pax(["path", "a/".repeat(100_000)]), entry("x")), "tree/limit-exceeded"],
  [
    "a name of 100,000 bytes",
    tar(pax(["path", "a".repeat(100_000)]), entry("x")),
    ["tree/path-invalid", "tree/path-invalid"],
  ],
  ["a NUL in a name", tar(pax(["path", "a\0b"]), entry("x")), "oci/tar-extended-invalid"],
  ["an extended header of 2 MiB", tar(pax(["comment", "a".repeat(2 << 20)]), entry("x")), "oci/tar-limit"],
  [
    "headers without an end",
    tar(...Array.from({ length: 20 }, () => pax(["comment", "a".repeat(900_000)])), entry("x")),
    "oci/tar-limit",
  ],
  ["headers without an entry", tar(pax(["comment", "a"])), "oci/tar-extended-invalid"],
  [
    "records that are longer than their header",
    tar(raw("x", Buffer.from("999 path=a\n")), entry("x")),
    "oci/tar-extended-invalid",
  ],
  ["a sparse map of millions", tar(deepMap(10_000_000)), "oci/tar-limit"],
  ["a sparse map that does not end", tar(deepMap(5000)), "oci/tar-sparse-invalid"],
  ["sparse headers without an end", tar(gnuSparse(1000, octal(0))), "oci/tar-limit"],
  [
    "a sparse file of 4 PiB",
    tar(gnuSparse(0, [0x80, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    "oci/tar-limit",
  ],
  [
    "an attribute of 100 kB",
    tar(pax(["SCHILY.xattr.user.a", "a".repeat(100_000)]), entry("x")),
    "tree/limit-exceeded",
  ],
  [
    "an attribute with a name of 300 bytes",
    tar(pax([`SCHILY.xattr.user.${"a".repeat(300)}`, "v"]), entry("x")),
    "tree/limit-exceeded",
  ],
  [
    "a symlink to 8 kB",
    tar(pax(["linkpath", "a".repeat(8192)]), link("x", "y")),
    ["tree/limit-exceeded", "tree/limit-exceeded"],
  ],
  ["a symlink to nothing", tar(entry("x", { type: "symlink", linkName: utf8("") })), "tree/target-invalid"],
  ["an owner of 2^32", tar(entry("x", { uid: 2 ** 32 })), "tree/metadata-invalid"],
  ["a type that there is not", tar(raw("V", new Uint8Array(0))), "oci/tar-entry-unsupported"],
  ["an entry that is cut", entry("x", {}, "y".repeat(5000)).subarray(0, 2000), "oci/tar-truncated"],
  [
    "zeros and then something else",
    Buffer.concat([entry("a"), Buffer.alloc(512), entry("b")]),
    "oci/tar-end-invalid",
  ],
  ["a directory in the place of a file", tar(entry("a"), entry("a/b")), "tree/path-not-directory"],
  ["a whiteout of nothing's name", tar(entry(".wh.")), ["tree/whiteout-invalid", "accepted"]],
  ["a root that is no directory", tar(entry("./x"), entry("./", {}, "")), "tree/root-invalid"],
];

test("each ends with its code, and none takes much memory", async () => {
  const cases = ROWS.map(([name, bytes, , options], at) => {
    const path = join(dir, `${at}.tar`);
    writeFileSync(path, bytes);
    return { name, path, ...(options === undefined ? {} : { options }) };
  });
  const bomb = join(dir, "bomb.gz");
  const zeros = Buffer.alloc(1 << 20);
  async function* gigabyte(): AsyncGenerator<Uint8Array> {
    yield encodeTarEntry({ type: "file", name: utf8("zeros"), size: 1 << 30 });
    for (let count = 0; count < 1024; count++) yield zeros;
    yield TAR_END;
  }
  await pipeline(Readable.from(gigabyte()), createGzip({ level: 9 }), createWriteStream(bomb));
  cases.push({ name: "a gigabyte of zeros in a megabyte", path: bomb });
  const program = fileURLToPath(new URL("helpers/hostile.ts", import.meta.url));
  const child = spawnSync(process.execPath, ["--conditions=@bootc-store/source", program], {
    input: JSON.stringify(cases),
    encoding: "utf8",
  });
  expect(child.stderr).toBe("");
  const { found, peak } = JSON.parse(child.stdout) as {
    found: Record<string, [string, string]>;
    peak: number;
  };
  const wanted = Object.fromEntries(
    ROWS.map(([name, , codes]) => [name, typeof codes === "string" ? [codes, codes] : [...codes]]),
  );
  expect(found).toEqual({
    ...wanted,
    "a gigabyte of zeros in a megabyte": ["oci/decompressed-too-large", "oci/decompressed-too-large"],
  });
  console.log(`hostile tars: ${cases.length} cases, peak ${peak.toFixed(0)} MiB`);
  expect(peak).toBeLessThan(200);
}, 120_000);
