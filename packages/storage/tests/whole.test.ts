/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// A root seen as a whole: its images, what its stores take and share, and what is wrong in any of them.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { parseImageReference } from "@bootc-store/oci";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";

import {
  type DiskUse,
  diskUse,
  ExistingStores,
  listRootImages,
  PhysicalStores,
  pull,
  verifyRoot,
} from "../src/index.ts";
import { diskUsePage } from "../src/whole/disk-use-page.ts";
import { overlapOf } from "../src/whole/overlap.ts";
import { osImage } from "./os-image.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

describe("ranges of several sets", () => {
  test("are added up as counting every place would", () => {
    const range = fc.tuple(fc.nat(60), fc.nat(12)).map(([from, length]) => [from, from + length]);
    const sets = fc.array(fc.array(range, { maxLength: 8 }), { maxLength: 4 });
    fc.assert(
      fc.property(sets, (all) => {
        const owners = Array.from({ length: 80 }, (_, place) =>
          all.flatMap((ranges, set) =>
            ranges.some(([from = 0, to = 0]) => from <= place && place < to) ? [set] : [],
          ),
        );
        const found = overlapOf(all.map((ranges) => Float64Array.from(ranges.flat())));
        expect(found.total).toBe(owners.filter((each) => each.length > 0).length);
        for (const [set, { covered, exclusive }] of found.sets.entries()) {
          expect(covered).toBe(owners.filter((each) => each.includes(set)).length);
          expect(exclusive).toBe(owners.filter((each) => each.length === 1 && each[0] === set).length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

async function fill(path: string, seeds: readonly number[]): Promise<void> {
  mkdirSync(join(path, "root/ostree"), { recursive: true });
  mkdirSync(join(path, "run"), { recursive: true });
  using root = Dir.openHost(utf8(join(path, "root")));
  using run = Dir.openHost(utf8(join(path, "run")));
  for (const seed of seeds) {
    await using stores = new PhysicalStores(root, run, { pool });
    const reference = parseImageReference(`oci:/images/os:${seed}`);
    await pull(stores, { image: await osImage(seed), reference, name: `localhost/os:${seed}` });
  }
}

async function look<T>(path: string, work: (stores: ExistingStores, root: Dir) => Promise<T>): Promise<T> {
  using root = Dir.openHost(utf8(join(path, "root")));
  await using stores = await ExistingStores.open(root, { pool });
  return await work(stores, root);
}

const missing = lab.missing({ root: true });

describe.skipIf(missing !== undefined)(`a root with three stores ${missing ?? ""}`, () => {
  test.each(["xfs", "btrfs"] as const)("on %s one copy is on disk, and it is told", async (kind) => {
    await using fs = await lab.filesystem(kind);
    await fill(fs.path, [1, 2]);
    const use = await look(fs.path, (stores) => diskUse(stores, pool));
    expect(use.stores.map((each) => each.kind)).toEqual(["containers-storage", "composefs", "ostree"]);
    expect(use.extents).toBe(true);
    for (const store of use.stores) {
      expect((store.sharedBytes ?? 0) + (store.exclusiveBytes ?? 0)).toBe(store.onDiskBytes);
      expect(store.sharedBytes ?? 0).toBeGreaterThan(store.onDiskBytes / 2);
    }
    const [first] = use.stores;
    expect(use.onDiskBytes).toBeLessThan((first?.onDiskBytes ?? 0) * 1.5);
    expect(use.separateBytes).toBeGreaterThan(use.onDiskBytes * 2);
  });

  test("on a file system without extents nothing is known to be shared", async () => {
    await using fs = await lab.filesystem("tmpfs");
    await fill(fs.path, [1]);
    const use = await look(fs.path, (stores) => diskUse(stores, pool));
    expect(use.extents).toBe(false);
    expect(use.stores.every((each) => each.sharedBytes === undefined)).toBe(true);
    expect(use.onDiskBytes).toBe(use.separateBytes);
  });

  test("images are one table, and what is wrong in any store is found and named", async () => {
    await using fs = await lab.filesystem("xfs");
    await fill(fs.path, [1, 2]);
    const images = await look(fs.path, (stores) => listRootImages(stores));
    expect(images.map(({ names }) => names)).toEqual([
      ["localhost/os:1", "oci:/images/os:1"],
      ["localhost/os:2", "oci:/images/os:2"],
    ]);
    for (const image of images) {
      expect(Object.keys(image.stores)).toEqual(["containers-storage", "composefs", "ostree"]);
      expect(image.manifest).toMatch(/^sha256:/);
      // The two have no layer in common.
      expect(image.unique).toBe(image.size);
    }

    const findings = (): Promise<string[]> =>
      look(fs.path, async (stores, root) => {
        const all = await Array.fromAsync(verifyRoot(root, stores));
        return all.filter(({ severity }) => severity === "error").map(({ code }) => code);
      });
    expect(await findings()).toEqual([]);
    const root = join(fs.path, "root");
    const some = (below: string, suffix: string): string => {
      const all = readdirSync(join(root, below), { recursive: true, encoding: "utf8" });
      return join(root, below, all.find((each) => each.endsWith(suffix)) as string);
    };
    unlinkSync(some("ostree/bootc/storage/overlay", "/tool-7"));
    expect(await findings()).toEqual([expect.stringMatching(/^containers-storage\//)]);
    unlinkSync(some("ostree/repo/objects", ".dirmeta"));
    writeFileSync(some("ostree/repo/objects", ".file"), "damaged");
    const codes = await findings();
    expect(codes).toContain("ostree/object-missing");
    expect(codes).toContain("ostree/object-damaged");
    writeFileSync(join(root, "composefs/meta.json"), "{");
    expect(await findings()).toContain("composefs/metadata-invalid");
  });

  test("looking changes nothing, and makes no store", async () => {
    const path = mkdtempSync(join(tmpdir(), "bootc-store-whole-"));
    try {
      mkdirSync(join(path, "root/ostree"), { recursive: true });
      await look(path, async (stores, root) => {
        expect(stores.all).toEqual([]);
        expect(await listRootImages(stores)).toEqual([]);
        expect((await diskUse(stores, pool)).onDiskBytes).toBe(0);
        expect(await Array.fromAsync(verifyRoot(root, stores))).toEqual([]);
      });
      expect(readdirSync(join(path, "root"), { recursive: true })).toEqual(["ostree"]);
    } finally {
      rmSync(path, { recursive: true, force: true });
    }
  });
});

describe("the page", () => {
  const use: DiskUse = {
    stores: [
      {
        kind: "composefs",
        inodes: 7,
        apparentBytes: 10,
        allocatedBytes: 4096,
        onDiskBytes: 4096,
        sharedBytes: 1000,
        exclusiveBytes: 3096,
      },
    ],
    onDiskBytes: 4096,
    separateBytes: 8192,
    extents: true,
  };

  test("has everything in it, and nothing from a stranger as markup", () => {
    const evil = `<script>alert("x")</script>&'`;
    const page = diskUsePage({ root: evil, use, images: [{ names: [evil], stores: { ostree: "x" } }] });
    expect(page).not.toContain("<script");
    expect(page).toContain("&#60;script&#62;");
    expect(page).not.toMatch(/(?:src|href)=/);
    expect(page).toContain("4.1 kB on disk, 4.1 kB saved by sharing");
  });
});
