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
  applyRootGc,
  type DiskUse,
  diskUse,
  ExistingStores,
  listRootImages,
  PhysicalStores,
  planRootGc,
  pull,
  removeRootImage,
  sizedRootImages,
  verifyRoot,
} from "../src/index.ts";
import { diskUsePage } from "../src/whole/disk-use-page.ts";
import { combinationsOf } from "../src/whole/overlap.ts";
import { osImage } from "./os-image.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

describe("ranges of several owners", () => {
  test("are added up as counting every place would", () => {
    const range = fc.record({ from: fc.nat(60), length: fc.nat(12), owner: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 24 }), (all) => {
        const counted = new Map<string, number>();
        for (let place = 0; place < 80; place++) {
          const here = all.filter(({ from, length }) => from <= place && place < from + length);
          const key = [...new Set(here.map(({ owner }) => owner))].sort().join();
          if (key !== "") counted.set(key, (counted.get(key) ?? 0) + 1);
        }
        const found = combinationsOf(
          Float64Array.from(all.flatMap(({ from, length }) => [from, from + length])),
          Uint32Array.from(all, ({ owner }) => owner),
          6,
        );
        expect(new Map(found.map(({ owners, length }) => [owners.join(), length]))).toEqual(counted);
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
    // Every image and layer is in every store; the two images have no layer in common, and one large file.
    expect(use.unattributed).toEqual([]);
    expect(use.layers).toHaveLength(4);
    for (const thing of [...use.images, ...use.layers]) {
      expect(thing.parts.map((part) => part.kind)).toEqual(["containers-storage", "composefs", "ostree"]);
      const onDisk = thing.parts.map((part) => part.onDiskBytes);
      expect(thing.onDiskBytes).toBeGreaterThanOrEqual(Math.max(...onDisk));
      expect(thing.onDiskBytes).toBeLessThan(onDisk.reduce((sum, each) => sum + each, 0));
      expect(thing.freedBytes).toBeLessThanOrEqual(thing.onDiskBytes);
      for (const part of thing.parts) {
        expect(part.sharedBytes ?? -1).toBeGreaterThanOrEqual(0);
        expect((part.sharedBytes ?? 0) + part.exclusiveBytes).toBeLessThanOrEqual(part.onDiskBytes);
      }
    }
    for (const layer of use.layers) expect(layer.images).toHaveLength(1);
  });

  test("what du says goes with an image goes with it", async () => {
    await using fs = await lab.filesystem("xfs");
    await fill(fs.path, [1, 2]);
    const before = await look(fs.path, (stores) => diskUse(stores, pool));
    const [image] = before.images;
    expect(image?.freedBytes).toBeGreaterThan(400_000);
    {
      using root = Dir.openHost(utf8(join(fs.path, "root")));
      using runRoot = Dir.openHost(utf8(join(fs.path, "run")));
      await using stores = await ExistingStores.open(root, { pool, runRoot, access: "write" });
      await removeRootImage(stores, "localhost/os:1");
      await applyRootGc(stores, await planRootGc(root, stores));
    }
    const after = await look(fs.path, (stores) => diskUse(stores, pool));
    // The indexes of containers-storage are nobody's and become shorter.
    const gone = before.onDiskBytes - after.onDiskBytes;
    expect(Math.abs(gone - (image?.freedBytes ?? 0))).toBeLessThanOrEqual(16_384);
    expect(after.images).toHaveLength(1);
    // Without containers-storage it is still told what only an image uses.
    rmSync(join(fs.path, "root/ostree/bootc"), { recursive: true });
    const [left] = await look(fs.path, (stores) => sizedRootImages(stores, pool));
    expect(left?.unique).toBeGreaterThan(400_000);
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
    images: [],
    layers: [],
    unattributed: [],
  };

  test("has everything in it, and nothing from a stranger as markup", () => {
    const evil = `<script>alert("x")</script>&'`;
    const page = diskUsePage({
      root: evil,
      use: {
        ...use,
        images: [{ names: [evil], stores: { ostree: "x" }, parts: [], onDiskBytes: 4096, freedBytes: 4096 }],
        layers: [{ layer: evil, images: [evil], parts: [], onDiskBytes: 4096, freedBytes: 0 }],
      },
    });
    expect(page).not.toContain("<script");
    expect(page).toContain("&#60;script&#62;");
    expect(page).not.toMatch(/(?:src|href)=/);
    expect(page).toContain("4.1 kB on disk, 4.1 kB saved by sharing");
  });
});
