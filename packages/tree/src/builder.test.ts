import { type ByteString, utf8 } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { listing } from "../tests/helpers/text-tree.ts";
import {
  device,
  EMPTY_CONTENT,
  file,
  freezeTree,
  inlineFile,
  type Metadata,
  metadataOf,
  modeOf,
  setContent,
  setMetadata,
  special,
  symlink,
  TreeBuilder,
  type TreeBuilderOptions,
} from "./index.ts";

const small = () => inlineFile(metadataOf("file"), Uint8Array.of(0x31));
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

function built(steps: (builder: TreeBuilder) => void, options: TreeBuilderOptions = {}): string[] {
  const builder = new TreeBuilder(options);
  steps(builder);
  return listing(builder.finish());
}

describe("TreeBuilder", () => {
  test("resolves hard links whatever the order, through one another", () => {
    const lines = built((builder) => {
      builder.addHardlink(utf8("a"), utf8("/b"));
      builder.addHardlink(utf8("b"), utf8("d/c"));
      builder.addDirectory(utf8("d"), metadataOf("directory"));
      builder.addLeaf(utf8("d/c"), small());
    });
    expect(lines).toEqual(["a file=1", "b hard=a", "d dir", "d/c hard=a"]);
  });

  test.each<[string, (builder: TreeBuilder) => void, string]>([
    ["a missing parent", (builder) => builder.addLeaf(utf8("a/b"), small()), "tree/entry-parent-missing"],
    [
      "a link to nothing",
      (builder) => builder.addHardlink(utf8("a"), utf8("b")),
      "tree/hardlink-target-missing",
    ],
    ["a link to itself", (builder) => builder.addHardlink(utf8("a"), utf8("a")), "tree/hardlink-cycle"],
    [
      "links in a circle",
      (builder) => {
        builder.addHardlink(utf8("a"), utf8("b"));
        builder.addHardlink(utf8("b"), utf8("a"));
      },
      "tree/hardlink-cycle",
    ],
    [
      "a link to a directory",
      (builder) => builder.addHardlink(utf8("a"), utf8("/")),
      "tree/hardlink-target-directory",
    ],
    [
      "one path twice",
      (builder) => {
        builder.addLeaf(utf8("a"), small());
        builder.addLeaf(utf8("/a"), small());
      },
      "tree/entry-duplicate",
    ],
    [
      "two roots",
      (builder) => {
        builder.addDirectory(utf8("/"), metadataOf("directory"));
        builder.addDirectory(utf8("."), metadataOf("directory"));
      },
      "tree/entry-duplicate",
    ],
    ["a root that is a file", (builder) => builder.addLeaf(utf8("/"), small()), "tree/root-invalid"],
    ["`..`", (builder) => builder.addLeaf(utf8("a/../b"), small()), "tree/path-invalid"],
    ["a long name", (builder) => builder.addLeaf(utf8("x".repeat(256)), small()), "tree/path-invalid"],
    [
      "a leaf as parent",
      (builder) => {
        builder.addLeaf(utf8("a"), small());
        builder.addLeaf(utf8("a/b"), small());
      },
      "tree/path-not-directory",
    ],
    [
      "a long target",
      (builder) => builder.addLeaf(utf8("a"), symlink(metadataOf("symlink"), "t".repeat(4096) as ByteString)),
      "tree/limit-exceeded",
    ],
  ])("refuses %s", (_, steps, wanted) => {
    expect(() => built(steps)).toThrow(code(wanted));
  });

  test("replaces and makes parents where asked", () => {
    const options = {
      duplicates: "replace",
      parents: "create",
      parentMetadata: metadataOf("directory", { uid: 5 }),
    } as const;
    const lines = built((builder) => {
      builder.addLeaf(utf8("a/b/c"), small());
      builder.addDirectory(utf8("a/b"), metadataOf("directory", { permissions: 0o700 }));
      builder.addLeaf(utf8("a/b/d"), small());
      builder.addHardlink(utf8("x"), utf8("a/b/c"));
      builder.addLeaf(utf8("x"), special("fifo", metadataOf("fifo")));
      builder.addLeaf(utf8("y"), small());
      builder.addDirectory(utf8("y"), metadataOf("directory"));
      builder.addLeaf(utf8("y/z"), small());
    }, options);
    expect(lines).toEqual([
      "a dir own=5:0",
      "a/b dir mode=700",
      "a/b/c file=1",
      "a/b/d file=1",
      "x fifo",
      "y dir",
      "y/z file=1",
    ]);
  });

  test.each<[string, TreeBuilderOptions]>([
    ["entries", { limits: { entries: 1 } }],
    ["depth", { limits: { depth: 1 } }],
  ])("holds the limit of %s", (_, options) => {
    expect(() =>
      built((builder) => {
        builder.addDirectory(utf8("a"), metadataOf("directory"));
        builder.addLeaf(utf8("a/b"), small());
      }, options),
    ).toThrow(code("tree/limit-exceeded"));
  });
});

describe("inodes", () => {
  test("of no possible shape are refused", () => {
    const metadata = metadataOf("file");
    const odd = (change: Partial<Metadata>): Metadata => ({ ...metadata, ...change });
    for (const bad of [
      { mode: 0o644 },
      { mode: 0o40755 },
      { mode: 0o200644 },
      { uid: -1 },
      { gid: 2 ** 32 },
      { uid: 0.5 },
      { mtime: { sec: 0, nsec: 1e9 } },
      { mtime: { sec: 2 ** 60, nsec: 0 } },
      { mtime: { sec: Number.NaN, nsec: 0 } },
    ]) {
      expect(() => inlineFile(odd(bad), new Uint8Array(0))).toThrow(code("tree/metadata-invalid"));
      expect(() => setMetadata(small(), odd(bad))).toThrow(code("tree/metadata-invalid"));
    }
    expect(() => file(metadata, 3, { kind: "inline", bytes: new Uint8Array(2) })).toThrow(
      code("tree/content-invalid"),
    );
    expect(() => file(metadata, -1, { kind: "sparse" })).toThrow(code("tree/content-invalid"));
    expect(() => symlink(metadataOf("symlink"), utf8(""))).toThrow(code("tree/target-invalid"));
    expect(() => symlink(metadataOf("symlink"), utf8("a\0"))).toThrow(code("tree/target-invalid"));
    expect(() => device("char", metadataOf("char"), 4096, 0)).toThrow(code("tree/metadata-invalid"));
    expect(() => device("block", metadataOf("block"), 0, 2 ** 20)).toThrow(code("tree/metadata-invalid"));
    expect(() => modeOf("file", 0o10000)).toThrow(code("tree/metadata-invalid"));
  });

  test("of size 0 have the one empty content", () => {
    expect(file(metadataOf("file"), 0, { kind: "external", key: "k" }).content).toBe(EMPTY_CONTENT);
    const leaf = small();
    setContent(leaf, 0, { kind: "sparse" });
    expect(leaf).toMatchObject({ size: 0, content: EMPTY_CONTENT });
  });

  test("of a frozen tree do not change", () => {
    const builder = new TreeBuilder();
    const leaf = small();
    builder.addLeaf(utf8("a"), leaf);
    freezeTree(builder.finish());
    expect(() => setMetadata(leaf, metadataOf("file", { uid: 1 }))).toThrow(code("tree/frozen"));
    expect(() => setContent(leaf, 1, { kind: "sparse" })).toThrow(code("tree/frozen"));
  });
});
