import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import {
  type DiffOptions,
  diffTrees,
  Directory,
  emptyTree,
  inlineFile,
  metadataOf,
  type Tree,
  Xattrs,
} from "@bootc-store/tree";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { trees } from "../../tests/arbitrary.ts";
import {
  imageOfTree,
  parseDumpC,
  parseDumpRs,
  printDump,
  readImage,
  treeOfImage,
  writeImage,
} from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

function differences(before: Tree, after: Tree, options: DiffOptions = {}): string[] {
  return [...diffTrees(before, after, options)].map((change) =>
    change.type === "changed" ? `${change.path} ${change.aspects.join()}` : `${change.type} ${change.path}`,
  );
}

describe("readImage", () => {
  test.each([
    [0, "sha256"],
    [1, "sha256"],
    [1, "sha512"],
    [2, "sha512"],
  ] as const)("gives back what format %i was written from (%s)", (version, algorithm) => {
    const knobs = {
      algorithm,
      maxInline: version === 2 ? 512 : 5000,
      maxTarget: version === 2 ? 1024 : 4095,
      whiteouts: false,
    };
    fc.assert(
      fc.property(trees(knobs), (tree) => {
        const image = writeImage(imageOfTree(tree), { writer: "composefs-rs", version });
        const read = readImage(image);
        const back = treeOfImage(read.root);
        // Format 2 has no nanoseconds.
        const ignore = version === 2 ? (["mtime"] as const) : [];
        expect(differences(tree, back, { ignore })).toEqual([]);
        expect(read.version).toBe(version);
        expect(Buffer.compare(writeImage(read.root, { writer: "composefs-rs", version }), image)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test("keeps whiteouts of every depth, but those of the root that hide objects", () => {
    fc.assert(
      fc.property(
        trees({ algorithm: "sha256", maxInline: 512, maxTarget: 1024, whiteouts: true }),
        fc.constantFrom(0, 1, 2),
        (tree, version) => {
          const image = writeImage(imageOfTree(tree), { writer: "composefs-rs", version });
          const changes = differences(tree, treeOfImage(readImage(image).root)).filter(
            (line) => !line.endsWith(" mtime"),
          );
          // Two hexadecimal digits, of either case: what composefs-rs takes for one that hides the object store.
          const hidden = [...tree.root]
            .filter(
              ([name, inode]) =>
                /^[0-9a-fA-F]{2}$/.test(name) &&
                inode.kind === "char" &&
                inode.major === 0 &&
                inode.minor === 0,
            )
            .map(([name]) => `removed /${name}`);
          expect(changes.toSorted()).toEqual(hidden.toSorted());
        },
      ),
      { numRuns: 100 },
    );
  });

  test("and dump files: the dump of an image gives the image again", () => {
    fc.assert(
      fc.property(
        trees({ algorithm: "sha256", maxInline: 512, maxTarget: 1024, whiteouts: false }),
        (tree) => {
          const c = { writer: "c", minVersion: 1, maxVersion: 1 } as const;
          const image = writeImage(imageOfTree(tree), c);
          const dump = [...printDump(readImage(image).root, { dialect: "c" })].join("");
          expect(Buffer.compare(writeImage(parseDumpC(utf8(dump)), c), image)).toBe(0);
          const rs = [...printDump(imageOfTree(tree), { dialect: "composefs-rs" })].join("");
          const rust = writeImage(imageOfTree(tree), { writer: "composefs-rs", version: 1 });
          expect(
            Buffer.compare(
              writeImage(parseDumpRs(utf8(rs), { algorithm: "sha256" }), {
                writer: "composefs-rs",
                version: 1,
              }),
              rust,
            ),
          ).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("reads a deep image without recursion, up to its limit", () => {
    const deep = emptyTree();
    let directory = deep.root;
    for (let depth = 0; depth < 3000; depth++) {
      const child = new Directory(metadataOf("directory"));
      directory.set(utf8("d"), child);
      directory = child;
    }
    const image = writeImage(imageOfTree(deep), { writer: "composefs-rs", version: 1 });
    expect(() => readImage(image)).toThrow(code("erofs/image-limit"));
    expect(readImage(image, { depth: 3000 }).root.children.size).toBe(1);
  });

  const SAMPLE = writeImage(
    parseDumpRs(
      utf8(
        `/ 0 40755 2 0 0 0 1.5 - - - security.selinux=a user.x=y\n/d 0 40755 2 0 0 0 2.0 - - - security.selinux=a\n/d/f 3 100644 2 7 0 0 1.5 - abc - security.selinux=a\n/e 9999 100644 1 0 0 0 1.5 ab/${"0".repeat(62)} - ab${"0".repeat(62)}\n/g 0 @120000 - - - - 0.0 /d/f - -\n/l 5 120777 1 0 0 0 1.5 hello - -\n/w 0 20644 1 0 0 0 1.5 - - -\n`,
      ),
      { algorithm: "sha256" },
    ),
    { writer: "composefs-rs", version: 1 },
  );

  test.each<[string, number, number, RegExp]>([
    ["magic", 0, 0, /composefs header › magic at 0x0/],
    ["version", 12, 9, /composefs header › composefsVersion at 0xc/],
    ["superblock", 1024, 0, /EROFS superblock › magic at 0x400/],
    ["features", 1024 + 80, 0x80, /featureIncompat/],
    ["root", 1024 + 14, 1, /outside of the image/],
    ["blocks", 1024 + 36, 1, /blocks at 0x424/],
  ])("names field and offset of a wrong %s", (_, at, value, message) => {
    const bytes = SAMPLE.slice();
    bytes[at] = value;
    expect(() => readImage(bytes)).toThrow(
      expect.objectContaining({
        code: "erofs/image-invalid",
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  test.each([0, 100, 1023, 1100, 1200, 4096])("refuses an image cut after %i bytes", (size) => {
    expect(() => readImage(SAMPLE.slice(0, size))).toThrow(code("erofs/image-invalid"));
  });

  test("survives any damage with an error of its own, in both dialects", () => {
    const images = [
      SAMPLE,
      writeImage(readImage(SAMPLE).root, { writer: "composefs-rs", version: 2 }),
      writeImage(bigDirectory(), { writer: "c", minVersion: 0, maxVersion: 0 }),
    ];
    let refused = 0;
    const start = performance.now();
    fc.assert(
      fc.property(
        fc.constantFrom(...images),
        fc.array(
          fc.tuple(
            fc.double({ min: 0, max: 1, noNaN: true }),
            fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 31, 32, 64, 127, 128, 254, 255),
          ),
          { minLength: 1, maxLength: 6 },
        ),
        fc.boolean(),
        (image, edits, c) => {
          const bytes = image.slice();
          for (const [place, value] of edits) bytes[1024 + Math.floor(place * (bytes.length - 1025))] = value;
          try {
            [
              ...printDump(readImage(bytes, { dialect: c ? "c" : "composefs-rs" }).root, { dialect: "c" }),
            ].join("");
          } catch (error) {
            if (!isStoreError(error)) throw error;
            expect(error.code).toMatch(/^erofs\/image-/);
            refused++;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(100);
    expect(performance.now() - start).toBeLessThan(60_000);
  });

  function bigDirectory() {
    const tree = emptyTree();
    for (let at = 0; at < 400; at++) {
      tree.root.set(utf8(`name-${at}`), inlineFile(metadataOf("file"), new Uint8Array(at % 90)));
    }
    return imageOfTree(tree);
  }

  test("a file with many names is read once", () => {
    // Only the first file has a large attribute.
    const tree = emptyTree();
    const large = Xattrs.from([[utf8("user.l"), "v".repeat(60_000) as ByteString]]);
    for (let at = 0; at < 200; at++) {
      const xattrs = at === 0 ? large : Xattrs.from([[utf8("user.l"), utf8(String(at))]]);
      tree.root.set(
        utf8(`f${String(at).padStart(3, "0")}`),
        inlineFile(metadataOf("file", { xattrs }), new Uint8Array(0)),
      );
    }
    const bytes = writeImage(imageOfTree(tree), { writer: "composefs-rs", version: 2 });
    const first = treeOfImage(readImage(bytes).root);
    expect(first.root.size).toBe(200);
    // Each directory entry but "." and ".." is made to name the first file.
    const view = new DataView(bytes.buffer);
    const rootAt = 32 * view.getUint16(1024 + 14, true);
    const block = 4096 * view.getUint32(rootAt + 16, true);
    const target = view.getUint32(block + 24, true);
    for (let at = 2; at < 150; at++) view.setUint32(block + 12 * at, target, true);
    expect(() => readImage(bytes)).toThrow(code("erofs/image-invalid"));
    expect(readImage(bytes, { dialect: "c" }).root.children.size).toBe(200);
  });
});
