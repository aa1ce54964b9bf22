import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readSegments, readTar, segmentBytes, type TarEntry } from "../index.ts";

const have = (tool: string): boolean => spawnSync(tool, ["--version"]).status === 0;

/** The bytes in chunks of these sizes, over and over. */
async function* chunked(bytes: Uint8Array, sizes: readonly number[] = [65_536]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function entriesOf(
  bytes: Uint8Array,
  sizes?: readonly number[],
): Promise<{ entry: TarEntry; sha: string }[]> {
  const found: { entry: TarEntry; sha: string }[] = [];
  for await (const item of readTar(chunked(bytes, sizes))) {
    if (item.kind !== "entry") continue;
    const hash = createHash("sha256");
    if (item.content !== undefined) for await (const part of item.content.read()) hash.update(part);
    found.push({ entry: item.entry, sha: hash.digest("hex") });
  }
  return found;
}

async function rebuilt(bytes: Uint8Array, sizes?: readonly number[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(segmentBytes(readSegments(chunked(bytes, sizes)))));
}

/** A header block with a right checksum. */
function header(fields: {
  name?: string;
  size?: string;
  type?: string;
  magic?: string;
  uid?: string;
  link?: string;
}): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name ?? "file", 0, 100, "latin1");
  block.write("0000644\0", 100, "latin1");
  block.write(fields.uid ?? "0000000\0", 108, 8, "latin1");
  block.write("0000000\0", 116, "latin1");
  block.write(fields.size ?? "00000000000\0", 124, 12, "latin1");
  block.write("00000000000\0", 136, "latin1");
  block.write(fields.type ?? "0", 156, "latin1");
  block.write(fields.link ?? "", 157, 100, "latin1");
  block.write(fields.magic ?? "ustar\x0000", 257, "latin1");
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

const END = Buffer.alloc(1024);

describe("what tars say", () => {
  test("the values of a header", async () => {
    const [found] = await entriesOf(Buffer.concat([header({ name: "a/b", uid: "0001750\0" }), END]));
    expect(found?.entry).toMatchObject({
      type: "file",
      name: "a/b",
      uid: 1000,
      mode: 0o644,
      format: "ustar",
      size: 0,
    });
  });

  test.each([
    [
      "a hard link whose size is 5 has no content",
      header({ type: "1", size: "00000000005\0", link: "x" }),
      "hardlink",
      0,
      5,
    ],
    [
      "a directory by its name in an old tar",
      header({ name: "d/", type: "\0", magic: "" }),
      "directory",
      0,
      0,
    ],
    ["base-256 numbers", header({ uid: "\x80\0\0\0\0\x2d\xc6\xc0" }), "file", 0, 0],
  ] as const)("%s", async (_, block, type, storedSize, headerSize) => {
    const [found] = await entriesOf(Buffer.concat([block, END]));
    expect(found?.entry).toMatchObject({ type, storedSize, headerSize });
  });

  test("pax records: binary attributes, times before 1970, long names, and libarchive's attributes", async () => {
    const record = (key: string, value: Buffer): Buffer => {
      const rest = Buffer.byteLength(key) + value.length + 3;
      let length = rest + String(rest).length;
      if (String(length).length !== String(rest).length) length = rest + String(length).length;
      return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
    };
    const records = Buffer.concat([
      record("path", Buffer.from(`${"d/".repeat(80)}é`)),
      record("mtime", Buffer.from("-9.5")),
      record("SCHILY.xattr.security.capability", Buffer.from([1, 0, 0, 2, 0xff, 0x0a, 0x3d])),
      record("LIBARCHIVE.xattr.user.a%3Db", Buffer.from("AAH/")),
      record("uid", Buffer.from("3000000")),
    ]);
    const size = `${records.length.toString(8).padStart(11, "0")}\0`;
    const padded = Buffer.concat([records, Buffer.alloc((512 - (records.length % 512)) % 512)]);
    const [found] = await entriesOf(
      Buffer.concat([header({ type: "x", size }), padded, header({}), END]),
      [7],
    );
    expect(found?.entry.name).toBe(Buffer.from(`${"d/".repeat(80)}é`).toString("latin1"));
    expect(found?.entry.mtime).toEqual({ sec: -10, nsec: 500_000_000 });
    expect(found?.entry.uid).toBe(3_000_000);
    expect([...(found?.entry.xattrs ?? [])]).toEqual([
      ["security.capability", "\x01\x00\x00\x02\xff\n="],
      ["user.a=b", "\x00\x01\xff"],
    ]);
  });
});

describe("hostile tars", () => {
  test.each([
    [
      "a wrong checksum",
      Buffer.concat([Buffer.from(header({})).fill(1, 0, 3), END]),
      "oci/tar-header-invalid",
    ],
    [
      "a size that is no number",
      Buffer.concat([header({ size: "9999999999x\0" }), END]),
      "oci/tar-header-invalid",
    ],
    [
      "a size of 8 EiB",
      Buffer.concat([header({ size: "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff" }), END]),
      "oci/tar-header-invalid",
    ],
    [
      "a content that is cut",
      Buffer.concat([header({ size: "00000001000\0" }), Buffer.alloc(100)]),
      "oci/tar-truncated",
    ],
    ["a header that is cut", header({}).subarray(0, 300), "oci/tar-truncated"],
    [
      "an extended header without an entry",
      Buffer.concat([header({ type: "x" }), END]),
      "oci/tar-extended-invalid",
    ],
    [
      "an extended header of a gigabyte",
      Buffer.concat([header({ type: "x", size: "10000000000\0" }), END]),
      "oci/tar-limit",
    ],
    [
      "a long name of a gigabyte",
      Buffer.concat([header({ type: "L", size: "10000000000\0" }), END]),
      "oci/tar-limit",
    ],
    ["zeros, then an entry", Buffer.concat([Buffer.alloc(512), header({}), END]), "oci/tar-end-invalid"],
    [
      "a record that is longer than its header",
      Buffer.concat([
        header({ type: "x", size: "00000000012\0" }),
        Buffer.from("99 path=x\n".padEnd(512, "\0")),
        header({}),
        END,
      ]),
      "oci/tar-extended-invalid",
    ],
  ])("%s is refused", async (_, bytes, code) => {
    await expect(entriesOf(bytes)).rejects.toMatchObject({ code });
  });

  test("endless extended headers do not fill the memory", async () => {
    const name = Buffer.concat([
      header({ type: "L", size: "00003777000\0" }),
      Buffer.alloc(Math.ceil(0o3777000 / 512) * 512, "a"),
    ]);
    await expect(entriesOf(Buffer.concat(Array.from({ length: 12 }, () => name)))).rejects.toMatchObject({
      code: "oci/tar-limit",
    });
  });

  test("any bytes are refused with a code or come out as they went in, however they are cut", async () => {
    const block = fc.oneof(
      fc.constantFrom(
        header({}),
        header({ size: "00000000100\0" }),
        header({ type: "x" }),
        header({ type: "S" }),
        Buffer.alloc(512),
      ),
      fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(block, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1 }),
        async (blocks, sizes) => {
          const bytes = Buffer.concat(blocks);
          try {
            expect((await rebuilt(bytes, sizes)).equals(bytes)).toBe(true);
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/^oci\/tar-/);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("reading in order", () => {
  const two = Buffer.concat([
    header({ name: "a", size: "00000000003\0" }),
    Buffer.from("abc".padEnd(512, "\0")),
    header({ name: "b" }),
    END,
  ]);

  test("a content that is not read is passed over", async () => {
    const names: string[] = [];
    for await (const item of readTar(chunked(two, [100])))
      if (item.kind === "entry") names.push(item.entry.name);
    expect(names).toEqual(["a", "b"]);
  });

  test("a content cannot be read late or twice", async () => {
    const contents: (() => AsyncIterable<Uint8Array>)[] = [];
    for await (const item of readTar(chunked(two))) {
      if (item.kind === "entry" && item.content !== undefined)
        contents.push(() => item.content?.read() ?? chunked(two));
    }
    await expect(Array.fromAsync(contents[0]?.() ?? [])).rejects.toMatchObject({ code: "oci/segment-order" });
  });
});

describe.skipIf(!have("tar") || !have("python3"))(
  "trees written by real tools (needs tar and python3)",
  () => {
    let base = "";
    beforeAll(() => {
      base = mkdtempSync(join(tmpdir(), "bootc-store-tar-"));
    });
    afterAll(() => rmSync(base, { recursive: true, force: true }));

    /** A tree of files, links and holes from a seed. */
    function plant(seed: number): string {
      const random = mulberry(seed);
      const dir = mkdtempSync(join(base, "tree-"));
      const folders = [dir];
      const files: string[] = [];
      const count = 5 + Math.floor(random() * 25);
      for (let index = 0; index < count; index++) {
        const parent = folders[Math.floor(random() * folders.length)] as string;
        const name = `${"nämé-"[Math.floor(random() * 5)] ?? "x"}${index}${"y".repeat(random() < 0.1 ? 180 : 0)}`;
        const path = join(parent, name);
        const kind = random();
        if (kind < 0.2) {
          mkdirSync(path);
          folders.push(path);
        } else if (kind < 0.3) symlinkSync("z".repeat(1 + Math.floor(random() * 150)), path);
        else if (kind < 0.4 && files.length > 0)
          linkSync(files[Math.floor(random() * files.length)] as string, path);
        else {
          writeFileSync(path, Buffer.alloc(Math.floor(random() ** 3 * 20_000), index));
          if (random() < 0.15) truncateSync(path, 300_000);
          utimesSync(path, 0, Math.floor((random() - 0.3) * 2e9) + random());
          files.push(path);
        }
      }
      return dir;
    }

    const formats: [string, readonly string[]][] = [
      ["v7", ["tar", "--format=v7"]],
      ["ustar", ["tar", "--format=ustar"]],
      ["oldgnu", ["tar", "--format=oldgnu", "-S"]],
      ["gnu", ["tar", "--format=gnu", "-S"]],
      ["pax", ["tar", "--format=posix"]],
      ["pax sparse 0.0", ["tar", "--format=posix", "-S", "--sparse-version=0.0"]],
      ["pax sparse 0.1", ["tar", "--format=posix", "-S", "--sparse-version=0.1"]],
      ["pax sparse 1.0", ["tar", "--format=posix", "-S", "--sparse-version=1.0"]],
      ...(have("bsdtar")
        ? ([
            ["bsdtar pax", ["bsdtar", "--format=pax"]],
            ["bsdtar gnu", ["bsdtar", "--format=gnutar"]],
          ] as [string, string[]][])
        : []),
    ];

    test.each(formats)(
      "%s: bit for bit, and what Python's tarfile says",
      async (_, [program, ...options]) => {
        for (let seed = 1; seed <= 6; seed++) {
          const dir = plant(seed);
          // Formats without room for a name or number leave that entry out, say so, and still write the rest.
          const made = spawnSync(
            program as string,
            [...options, "-C", dir, "-cf", "-", "--", ...readdirSync(dir)],
            { maxBuffer: 1 << 28 },
          );
          const bytes = made.stdout;
          expect(bytes.length).toBeGreaterThan(0);
          expect((await rebuilt(bytes, [1 + seed * 997])).equals(bytes)).toBe(true);
          const ours = (await entriesOf(bytes)).map(({ entry }) => [
            Buffer.from(entry.name.replace(/\/$/, ""), "latin1").toString("hex"),
            entry.type === "sparse" ? "file" : entry.type,
            entry.mode,
            entry.uid,
            entry.size,
            Buffer.from(entry.linkName, "latin1").toString("hex"),
          ]);
          expect(ours).toEqual(
            JSON.parse(
              execFileSync("python3", ["-c", PYTHON], { input: bytes, encoding: "utf8", maxBuffer: 1 << 28 }),
            ),
          );
        }
      },
    );
  },
);

const PYTHON = `
import sys, io, json, tarfile
kinds = {tarfile.DIRTYPE: 'directory', tarfile.SYMTYPE: 'symlink', tarfile.LNKTYPE: 'hardlink', tarfile.FIFOTYPE: 'fifo'}
data = io.BytesIO(sys.stdin.buffer.read())
out = []
for m in tarfile.open(fileobj=data, encoding='utf-8', errors='surrogateescape'):
    enc = lambda s: s.encode('utf-8', 'surrogateescape').hex()
    kind = kinds.get(m.type, 'file')
    out.append([enc(m.pax_headers.get('GNU.sparse.name', m.name)), kind, m.mode, m.uid, m.size if kind == 'file' else 0, enc(m.linkname)])
print(json.dumps(out))
`;

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
