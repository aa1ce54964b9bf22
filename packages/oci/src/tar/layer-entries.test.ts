import { byteString, isStoreError, utf8 } from "@bootc-store/core";
import { composefsRsRules, lookup, LayerMerge, type LayerEntry, overlayRules } from "@bootc-store/tree";
import { createHash } from "node:crypto";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { layerEntries, type LayerEntriesOptions, readTar, type TarEntryToWrite, writeTar } from "../index.ts";

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function read(bytes: Uint8Array, options?: LayerEntriesOptions<never>): Promise<LayerEntry[]> {
  return await Array.fromAsync(layerEntries(readTar(one(bytes)), options));
}

async function tar(items: readonly TarEntryToWrite[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(writeTar(items)));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

const HELLO = Buffer.from("hello");
const sha = createHash("sha256").update(HELLO).digest("hex");

describe("the entries of a layer", () => {
  test("become a tree", async () => {
    const bytes = await tar([
      { entry: { type: "directory", name: utf8("./") } },
      { entry: { type: "directory", name: utf8("d"), mode: 0o700, uid: 7 } },
      {
        entry: {
          type: "file",
          name: utf8("d/f"),
          size: 5,
          mtime: { sec: -10, nsec: 5 },
          xattrs: [[utf8("user.x"), byteString(Uint8Array.of(0, 255))]],
        },
        content: HELLO,
      },
      { entry: { type: "hardlink", name: utf8("h"), linkName: utf8("d/f") } },
      { entry: { type: "symlink", name: utf8("s"), linkName: utf8("d/f") } },
      { entry: { type: "char", name: utf8("c"), devMajor: 1, devMinor: 3 } },
      { entry: { type: "fifo", name: utf8("p") } },
      { entry: { type: "file", name: utf8("e"), size: 0 } },
    ]);
    const merge = new LayerMerge(composefsRsRules);
    for (const entry of await read(bytes, { layer: "L" })) merge.add(entry);
    merge.endLayer();
    const { tree } = merge;
    const f = lookup(tree, utf8("/d/f"));
    expect(f).toMatchObject({
      kind: "file",
      size: 5,
      content: { kind: "external", key: "L@2560", sha256: sha },
    });
    expect(f.metadata.mtime).toEqual({ sec: -10, nsec: 5 });
    expect(f.metadata.xattrs.get(utf8("user.x"))).toBe("\0\xff");
    expect(lookup(tree, utf8("/h"))).toBe(f);
    expect(lookup(tree, utf8("/c"))).toMatchObject({ kind: "char", major: 1, minor: 3 });
    expect(lookup(tree, utf8("/e"))).toMatchObject({ kind: "file", size: 0, content: { kind: "inline" } });
    expect(bytes.subarray(2560, 2565)).toEqual(HELLO);
  });

  test("contents can be kept, or placed by the caller", async () => {
    const bytes = await tar([{ entry: { type: "file", name: utf8("f"), size: 5 }, content: HELLO }]);
    const [inline] = await read(bytes, { inline: 5 });
    expect(inline).toMatchObject({ leaf: { content: { kind: "inline", bytes: HELLO } } });
    const [own] = await read(bytes, {
      content: (content, { offset }) => ({ kind: "external", key: `${offset}/${content.size}` }),
    });
    expect(own).toMatchObject({ leaf: { content: { key: "512/5" } } });
  });

  test.each([
    ["duplicates", { duplicates: "refuse" }, "oci/tar-duplicate"],
    ["devices", { devices: "refuse" }, "oci/tar-device"],
    ["anything else", {}, "accepted"],
  ] as const)("%s can be refused", async (_, options, code) => {
    const bytes = await tar([
      { entry: { type: "char", name: utf8("w") } },
      { entry: { type: "file", name: utf8("d/a") } },
      { entry: { type: "file", name: utf8("./d//a") } },
      { entry: { type: "block", name: utf8("b"), devMajor: 8 } },
    ]);
    expect(await codeOf(read(bytes, options))).toBe(code);
  });

  test("an unknown type is refused, and a global header passed over", async () => {
    const bytes = await tar([{ entry: { type: "file", name: utf8("f") } }]);
    const retyped = (type: string): Buffer => {
      const copy = Buffer.from(bytes);
      const before = copy[156] as number;
      copy.write(type, 156, "latin1");
      const sum = Number.parseInt(copy.toString("latin1", 148, 154), 8) - before + type.charCodeAt(0);
      copy.write(sum.toString(8).padStart(6, "0"), 148, "latin1");
      return copy;
    };
    expect(await codeOf(read(retyped("V")))).toBe("oci/tar-entry-unsupported");
    expect(await read(retyped("g"))).toEqual([]);
  });

  test("what no inode can have is refused by the tree, with the entry's name", async () => {
    const bytes = await tar([{ entry: { type: "file", name: utf8("the-file"), uid: 2 ** 32 } }]);
    await expect(read(bytes)).rejects.toMatchObject({
      code: "tree/metadata-invalid",
      trail: [{ path: "the-file" }],
    });
  });
});

const haveTar = spawnSync("tar", ["--version"]).status === 0;

describe.skipIf(!haveTar)("sparse files of GNU tar", () => {
  test.each(["gnu", "posix:0.0", "posix:0.1", "posix:1.0"])(
    "of form %s are read with their holes",
    async (form) => {
      const dir = mkdtempSync(join(tmpdir(), "bootc-store-oci-"));
      try {
        writeFileSync(join(dir, "s"), "");
        truncateSync(join(dir, "s"), 3 << 20);
        const fd = openSync(join(dir, "s"), "r+");
        for (let at = 0; at < 30; at++) writeSync(fd, `piece ${at}`, at * 98_304 + 17);
        closeSync(fd);
        const [format = "", version] = form.split(":");
        const args = [
          "-C",
          dir,
          "-S",
          `--format=${format}`,
          ...(version === undefined ? [] : [`--sparse-version=${version}`]),
          "-c",
          "s",
        ];
        const bytes = execFileSync("tar", args, { maxBuffer: 1 << 28 });
        expect(bytes.length).toBeLessThan(1 << 20);
        const wanted = createHash("sha256")
          .update(readFileSync(join(dir, "s")))
          .digest("hex");
        const [entry] = await read(bytes);
        expect(entry).toMatchObject({ path: "s", leaf: { size: 3 << 20, content: { sha256: wanted } } });
        expect(await codeOf(read(bytes, { sparse: "refuse" }))).toBe("oci/tar-entry-unsupported");
      } finally {
        rmSync(dir, { recursive: true });
      }
    },
  );
});

test("paths that climb are the merge's to refuse", async () => {
  const bytes = await tar([{ entry: { type: "file", name: utf8("../x") } }]);
  const merge = new LayerMerge(overlayRules);
  const [entry] = await read(bytes);
  expect(() => merge.add(entry as LayerEntry)).toThrow("leaves the root");
});
