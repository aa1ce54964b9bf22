// What is written is read back, by us and by other people's readers.

import { execFileSync, spawnSync } from "node:child_process";
import { isStoreError, type ByteString, byteString, utf8 } from "@bootc-store/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { encodeTarEntry, readTar, type TarEntry, type TarEntryInit, writeTar } from "../index.ts";

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function entriesOf(bytes: Uint8Array): Promise<TarEntry[]> {
  const found: TarEntry[] = [];
  for await (const item of readTar(one(bytes))) if (item.kind === "entry") found.push(item.entry);
  return found;
}

async function tarOf(
  entries: readonly TarEntryInit[],
  format: "ustar" | "pax" | "gnu" = "pax",
): Promise<Buffer> {
  const items = entries.map((entry) => ({
    entry,
    ...(entry.size === undefined ? {} : { content: new Uint8Array(entry.size).fill(65) }),
  }));
  return Buffer.concat(await Array.fromAsync(writeTar(items, { format })));
}

const bytesArbitrary = (maxLength: number, nul: boolean): fc.Arbitrary<ByteString> =>
  fc.uint8Array({ minLength: 1, maxLength, min: nul ? 0 : 1 }).map(byteString);
const nameArbitrary = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 120, min: 1 }).map(byteString), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.map((part) => part.replaceAll("/", "x")).join("/") as ByteString);

const entryArbitrary: fc.Arbitrary<TarEntryInit> = fc.record({
  type: fc.constantFrom("file", "directory", "symlink", "hardlink", "char", "fifo"),
  name: nameArbitrary,
  linkName: bytesArbitrary(300, false),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  mtime: fc.record({
    sec: fc.oneof(fc.integer({ min: -100, max: 2 ** 31 }), fc.integer({ min: -(2 ** 35), max: 2 ** 36 })),
    nsec: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
  }),
  devMajor: fc.nat(0xfff),
  devMinor: fc.nat(0xfffff),
  xattrs: fc.array(
    fc.tuple(
      fc.constantFrom("user.a", "security.capability", "user.b%c").map(utf8),
      bytesArbitrary(80, true),
    ),
    {
      maxLength: 2,
    },
  ),
});

function comparable(entry: TarEntryInit): object {
  const { type, name, mode, uid, gid, mtime, devMajor, devMinor, linkName } = entry;
  const slash = type === "directory" && !name.endsWith("/") ? "/" : "";
  return {
    type,
    name: `${name}${slash}`,
    mode,
    uid,
    gid,
    mtime,
    devMajor,
    devMinor,
    linkName,
    xattrs: new Map(entry.xattrs),
  };
}

describe("a tar that is written", () => {
  test("is read back with all of its values", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entryArbitrary, { maxLength: 5 }), async (entries) => {
        const found = await entriesOf(await tarOf(entries));
        expect(
          found.map((entry) => comparable({ ...entry, type: entry.type as TarEntryInit["type"] })),
        ).toEqual(entries.map(comparable));
      }),
      { numRuns: 200 },
    );
  });

  test("by GNU's form, all but attributes and fractions", async () => {
    await fc.assert(
      fc.asyncProperty(entryArbitrary, async (entry) => {
        const plain = { ...entry, xattrs: [], mtime: { sec: entry.mtime?.sec ?? 0, nsec: 0 } };
        const [found] = await entriesOf(await tarOf([plain], "gnu"));
        expect(comparable({ ...(found as TarEntry), type: plain.type })).toEqual(comparable(plain));
      }),
      { numRuns: 200 },
    );
  });

  test.skipIf(spawnSync("python3", ["--version"]).status !== 0)(
    "says the same to Python's tarfile",
    async () => {
      const script = `
import sys, tarfile, json, io
out = []
for data in json.load(sys.stdin):
    t = tarfile.open(fileobj=io.BytesIO(bytes.fromhex(data)), mode="r:", encoding="latin-1", errors="strict")
    out.append([[m.name.encode("latin-1").hex(), m.linkname.encode("latin-1").hex(), m.type.decode(), m.mode, m.uid, m.gid, m.mtime, m.size, m.devmajor, m.devminor] for m in t])
json.dump(out, sys.stdout)
`;
      const ascii = fc.sample(entryArbitrary, { numRuns: 150, seed: 7 }).map((entry, at): TarEntryInit =>
        Object.assign({}, entry, {
          // Pax names are UTF-8 to Python, and its headers end a link's name at no slash.
          name: (entry.name.replace(/[^!-~]/g, "_").replace(/\/+$/, "") || "x") as ByteString,
          linkName: (entry.linkName ?? "").replace(/[^!-~]/g, "_") as ByteString,
          mtime: { sec: Math.abs(entry.mtime?.sec ?? 0), nsec: at % 2 === 0 ? 0 : 500_000_000 },
          xattrs: [],
          ...(entry.type === "file" ? { size: at * 37 } : {}),
        }),
      );
      for (const format of ["pax", "gnu"] as const) {
        const tars = await Promise.all(ascii.map((entry) => tarOf([entry], format)));
        const found = JSON.parse(
          execFileSync("python3", ["-c", script], {
            input: JSON.stringify(tars.map((tar) => tar.toString("hex"))),
            maxBuffer: 1 << 28,
          }).toString(),
        ) as unknown[][];
        const types = {
          file: "0",
          hardlink: "1",
          symlink: "2",
          char: "3",
          block: "4",
          directory: "5",
          fifo: "6",
        };
        expect(found).toEqual(
          ascii.map((entry) => [
            [
              Buffer.from(entry.name, "latin1").toString("hex"),
              Buffer.from(entry.linkName ?? "", "latin1").toString("hex"),
              types[entry.type],
              entry.mode,
              entry.uid,
              entry.gid,
              (entry.mtime?.sec ?? 0) + (format === "pax" ? (entry.mtime?.nsec ?? 0) / 1e9 : 0),
              entry.size ?? 0,
              entry.devMajor,
              entry.devMinor,
            ],
          ]),
        );
      }
    },
  );

  test.each([
    [{ type: "file", name: utf8("x".repeat(257)) }],
    [{ type: "file", name: utf8("x"), uid: 2 ** 21 }],
    [{ type: "file", name: utf8("x"), mtime: { sec: -1, nsec: 0 } }],
    [{ type: "file", name: utf8("x"), xattrs: [[utf8("user.a"), utf8("b")]] }],
    [{ type: "symlink", name: utf8("x"), linkName: utf8("y".repeat(101)) }],
    [{ type: "file", name: utf8("") }],
    [{ type: "file", name: utf8("a\0b") }],
    [{ type: "fifo", name: utf8("x"), size: 4 }],
  ] as const)("refuses what ustar cannot say: %#", (entry) => {
    let code = "";
    try {
      encodeTarEntry(entry as TarEntryInit, { format: "ustar" });
    } catch (error) {
      code = isStoreError(error) ? error.code : String(error);
    }
    expect(code).toBe("oci/tar-value-unencodable");
  });

  test("has contents of the size that was said", async () => {
    const entry = { type: "file", name: utf8("x"), size: 5 } as const;
    await expect(Array.fromAsync(writeTar([{ entry, content: new Uint8Array(4) }]))).rejects.toThrow(
      "4 bytes",
    );
    expect((await tarOf([entry])).length).toBe(512 + 512 + 1024);
  });
});
