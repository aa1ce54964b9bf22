import { byteString, type ByteString, utf8 } from "@bootc-store/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { layer, listing } from "../tests/helpers/text-tree.ts";
import {
  composefsRsRules,
  copyTree,
  countLinks,
  diffTrees,
  type DiffOptions,
  Directory,
  emptyTree,
  equalTrees,
  filterXattrs,
  freezeTree,
  inlineFile,
  keepXattrs,
  lookup,
  lookupOptional,
  mergeLayers,
  metadataOf,
  setMetadata,
  type Tree,
  walkInodes,
  walkTree,
  XattrPool,
  Xattrs,
} from "./index.ts";

const tree = (text: string): Tree => mergeLayers([layer(text)], composefsRsRules);
const SAMPLE = "b dir\nb/x file=1\na- file=2\na dir mode=700\na/z link=t\na/y hard=b/x\nc char=1:2";

describe("walkTree", () => {
  test("goes depth first in byte order", () => {
    expect([...walkTree(tree(SAMPLE))].map(({ path, depth }) => `${depth}${path}`)).toEqual([
      "0/",
      "1/a",
      "2/a/y",
      "2/a/z",
      "1/a-",
      "1/b",
      "2/b/x",
      "1/c",
    ]);
  });

  test("can stay out of directories", () => {
    const names = [...walkTree(tree(SAMPLE), { enter: ({ name }) => name !== "a" })].map(({ name }) => name);
    expect(names).toEqual(["", "a", "a-", "b", "x", "c"]);
    expect([...walkTree(tree(SAMPLE), { enter: () => false })]).toHaveLength(1);
  });

  test("meets each inode once where that is asked", () => {
    const sample = tree(SAMPLE);
    expect([...walkInodes(sample)]).toHaveLength(7);
    expect([...countLinks(sample).values()].sort()).toEqual([1, 1, 1, 2]);
  });

  test("survives a depth of 100,000, as do copy, diff, freeze, filter and merge", () => {
    const deep = emptyTree();
    let directory = deep.root;
    for (let depth = 0; depth < 100_000; depth++) {
      const child = new Directory(metadataOf("directory"));
      directory.set(utf8("d"), child);
      directory = child;
    }
    directory.set(
      utf8("f"),
      inlineFile(
        metadataOf("file", { xattrs: Xattrs.from([[utf8("user.a"), utf8("b")]]) }),
        new Uint8Array(1),
      ),
    );
    let last: { readonly depth: number; readonly path: ByteString } | undefined;
    for (const entry of walkTree(deep)) last = entry;
    expect(last?.depth).toBe(100_001);
    expect(last?.path).toHaveLength(200_002);
    const copy = copyTree(deep);
    expect(equalTrees(deep, copy)).toBe(true);
    expect(filterXattrs(copy, () => false)).toBe(1);
    expect([...diffTrees(deep, copy)].map(({ type }) => type)).toEqual(["changed"]);
    freezeTree(deep);
    expect(directory.frozen).toBe(true);
  });
});

describe("lookup", () => {
  test("follows no symlink and says what is wrong", () => {
    const sample = tree(SAMPLE);
    expect(lookup(sample, utf8("/b//x/"))).toBe(lookup(sample, utf8("a/y")));
    expect(lookup(sample, utf8("/"))).toBe(sample.root);
    expect(() => lookup(sample, utf8("/a/z/w"))).toThrow(
      expect.objectContaining({ code: "tree/path-not-directory" }),
    );
    expect(() => lookup(sample, utf8("/a/q"))).toThrow(
      expect.objectContaining({ code: "tree/path-not-found" }),
    );
    expect(() => lookup(sample, utf8("/a/../b"))).toThrow(
      expect.objectContaining({ code: "tree/path-invalid" }),
    );
    expect(lookupOptional(sample, utf8("/a/z/w"))).toBeUndefined();
    expect(lookupOptional(sample, utf8("/q/w"))).toBeUndefined();
  });
});

describe("diffTrees", () => {
  const diff = (before: string, after: string, options?: DiffOptions): string[] =>
    [...diffTrees(tree(before), tree(after), options)].map((change) =>
      change.type === "changed" ? `${change.path} ${change.aspects.join()}` : `${change.type} ${change.path}`,
    );

  test("tells what was added, removed and changed, in order", () => {
    expect(
      diff(
        "a dir\na/x file=1\nb file=1\nd file=2",
        "a file=1\nb file=12 mode=600 own=1:1 time=5\nc dir\nc/y file=",
      ),
    ).toEqual([
      "/a kind,permissions",
      "removed /a/x",
      "/b permissions,owner,mtime,size,content",
      "added /c",
      "added /c/y",
      "removed /d",
    ]);
  });

  test.each([
    ["l link=a", "l link=b", ["/l target"]],
    ["c char=1:2", "c char=1:3", ["/c device"]],
    ["c char=1:2", "c block=1:2", ["/c kind"]],
    ["f file= x:user.a=1", "f file= x:user.a=2", ["/f xattrs"]],
    ["f file=1\ng hard=f", "f file=1\ng file=1", ["/g links"]],
    ["f file=1\ng file=1", "f file=1\ng hard=f", ["/g links"]],
    ["f file=1\ng hard=f", "g file=1\nf hard=g", []],
    ["f file=1 time=1", "f file=1 time=1.1", ["/f mtime"]],
  ])("%j and %j", (before, after, wanted) => {
    expect(diff(before, after)).toEqual(wanted);
  });

  test("can ignore", () => {
    expect(diff("f file=1 time=1 mode=600", "f file=1 time=2", { ignore: ["mtime"] })).toEqual([
      "/f permissions",
    ]);
  });

  test("of a copy is nothing, and of any one change is that change", () => {
    const text = "a dir\na/b dir\na/b/c file=1\na/d link=x\ne char=1:1\nf hard=a/b/c";
    expect(diff(text, text)).toEqual([]);
    fc.assert(
      fc.property(fc.nat(5), fc.nat(2), (which, how) => {
        const before = tree(text);
        const after = copyTree(before);
        const inode = [...walkInodes(after)][which] ?? after.root;
        const { metadata } = inode;
        if (how === 0) setMetadata(inode, { ...metadata, uid: 7 });
        else if (how === 1) setMetadata(inode, { ...metadata, mode: metadata.mode ^ 0o100 });
        else setMetadata(inode, { ...metadata, mtime: { sec: -1, nsec: 5 } });
        const changes = [...diffTrees(before, after)];
        expect(new Set(changes.map((change) => ("after" in change ? change.after : undefined)))).toEqual(
          new Set([inode]),
        );
        expect(equalTrees(before, after)).toBe(false);
      }),
    );
  });
});

describe("xattrs", () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 4 })
    .map(byteString)
    .filter((text) => !text.includes("\0"));

  test("behave as a map in byte order", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.uint8Array().map(byteString))), name, (pairs, other) => {
        const model = new Map(pairs);
        const xattrs = Xattrs.from(pairs);
        const sorted = [...model].sort(([a], [b]) =>
          Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1")),
        );
        expect([...xattrs]).toEqual(sorted);
        expect([...xattrs.names()]).toEqual(sorted.map(([key]) => key));
        expect(xattrs.get(other)).toBe(model.get(other));
        model.delete(other);
        expect(xattrs.without(other).equals(Xattrs.from(model))).toBe(true);
        expect(Array.from(xattrs.with(other, utf8("v")))).toEqual([
          ...Xattrs.from([...model, [other, utf8("v")]]),
        ]);
      }),
    );
  });

  test("share one empty value, and equal ones by a pool", () => {
    expect(Xattrs.from([])).toBe(Xattrs.empty);
    const [a, b] = [Xattrs.from([[utf8("a"), utf8("b")]]), Xattrs.from([[utf8("a"), utf8("b")]])];
    expect(a.without(utf8("a"))).toBe(Xattrs.empty);
    const pool = new XattrPool();
    expect(pool.share(a)).toBe(a);
    expect(pool.share(b)).toBe(a);
    expect(pool.share(Xattrs.from([[utf8("a"), utf8("c")]]))).not.toBe(a);
  });

  test.each([
    ["", "v", "tree/xattr-invalid"],
    ["a\0", "v", "tree/xattr-invalid"],
    ["a".repeat(256), "v", "tree/limit-exceeded"],
    ["a", "v".repeat(65_537), "tree/limit-exceeded"],
  ])("refuse %j", (key, value, code) => {
    expect(() => Xattrs.from([[utf8(key), utf8(value)]])).toThrow(expect.objectContaining({ code }));
  });

  test("are filtered by name and prefix on every inode", () => {
    const sample = tree(
      ". dir x:user.r=1\na file= x:user.a=1 x:trusted.b=2 x:security.capability=3\nb hard=a",
    );
    expect(filterXattrs(sample, keepXattrs(["security.capability"], ["user."]))).toBe(1);
    expect(listing(sample, 0)).toEqual([
      " dir x:user.r=1",
      "a file= x:security.capability=3 x:user.a=1",
      "b hard=a",
    ]);
  });
});
