/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// `images`, `du`, `fsck` and `why` on roots that ostree and bootc made: what they tell is what lies there, counted without us.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createPool, type Dir } from "@bootc-store/linux";
import { unescapeFromRef } from "@bootc-store/ostree";
import { afterAll, describe, expect, test } from "vitest";

import { diskUse, type ExistingStores, listRootImages, verifyRoot, whyKept } from "../src/index.ts";
import { withRoot } from "./root.ts";

const RECORDED = join(import.meta.dirname, "../../../../shared/fixtures/ostree-container");
const possible = existsSync(RECORDED) && process.getuid?.() === 0;
const pool = createPool({ size: 1 });
afterAll(async () => await pool[Symbol.asyncDispose]());

const recordings = possible
  ? ["sysroot", "composefs-backend"].flatMap((folder) =>
      readdirSync(join(RECORDED, folder))
        .filter((name) => name.endsWith(".tar.gz") && !name.includes(".esp."))
        .map((name) => join(folder, name)),
    )
  : [];

/** Files below a directory, as paths from there; none where it is not there. */
function filesBelow(path: string, below = ""): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(join(path, below), { withFileTypes: true }).flatMap((entry) => {
    const name = join(below, entry.name);
    return entry.isDirectory() ? filesBelow(path, name) : [name];
  });
}

/** Names of images by the files that hold them. */
function namesOf(root: string): string[] {
  const refs = filesBelow(join(root, "ostree/repo/refs/heads/ostree/container/image"));
  const tags = filesBelow(join(root, "composefs/streams/refs/oci")).map((name) => decodeURIComponent(name));
  const index = join(root, "ostree/bootc/storage/overlay-images/images.json");
  const stored = existsSync(index)
    ? (JSON.parse(readFileSync(index, "utf8")) as { readonly names?: readonly string[] }[])
    : [];
  return [
    ...new Set([
      ...refs.map((ref) => unescapeFromRef(ref)),
      ...tags,
      ...stored.flatMap(({ names = [] }) => names),
    ]),
  ].sort();
}

/** Sizes of everything below a store's own directory, each inode once; none of another store that lies below it. */
function bytesBelow(path: string, without = ""): number {
  const seen = new Set<number>();
  const sizeOf = (name: string): number => {
    const { ino, size } = lstatSync(join(path, name));
    if (seen.has(ino)) return 0;
    seen.add(ino);
    return size;
  };
  const walk = (below: string): number =>
    readdirSync(join(path, below), { withFileTypes: true })
      .map((entry) => ({ entry, name: join(below, entry.name) }))
      .filter(({ name }) => name !== without)
      .reduce((sum, { entry, name }) => sum + sizeOf(name) + (entry.isDirectory() ? walk(name) : 0), 0);
  return walk("");
}

describe.skipIf(!possible)("recorded roots (needs ../shared and root)", () => {
  test.each(recordings)("%s", async (name) => {
    const path = mkdtempSync(join(tmpdir(), "bootc-store-recorded-"));
    try {
      mkdirSync(join(path, "tar"));
      mkdirSync(join(path, "run"));
      expect(
        spawnSync("tar", ["-xpf", join(RECORDED, name), "-C", join(path, "tar"), "--xattrs"]).status,
      ).toBe(0);
      const [only = ""] = readdirSync(join(path, "tar"));
      const markers = ["ostree", "composefs", "state", "boot"];
      const top = markers.some((marker) => existsSync(join(path, "tar", marker))) ? "tar" : join("tar", only);
      spawnSync("mv", [join(path, top), join(path, "root")]);
      const root = join(path, "root");
      const look = <T>(work: (stores: ExistingStores, dir: Dir) => Promise<T>): Promise<T> =>
        withRoot(path, pool, work, "read");

      const images = await look((stores) => listRootImages(stores));
      expect(images.flatMap(({ names }) => names).sort()).toEqual(namesOf(root));

      const found = await look(async (stores, dir) => await Array.fromAsync(verifyRoot(dir, stores)));
      expect(found.filter(({ severity }) => severity === "error")).toEqual([]);

      const use = await look((stores) => diskUse(stores, pool));
      const places: Record<string, string> = {
        ostree: "ostree/repo",
        composefs: "composefs",
        "containers-storage": "ostree/bootc/storage",
      };
      for (const { kind, apparentBytes } of use.stores) {
        const bytes = bytesBelow(join(root, places[kind] ?? ""), kind === "composefs" ? "bootc" : "");
        expect([kind, apparentBytes]).toEqual([kind, bytes]);
      }

      for (const image of images) {
        const [any = ""] = Object.values(image.stores);
        const why = await look((stores, dir) => whyKept(dir, stores, any));
        expect([any, why.keptBy.length > 0]).toEqual([any, true]);
      }
    } finally {
      spawnSync("chattr", ["-R", "-i", path]);
      rmSync(path, { recursive: true, force: true });
    }
  });
});
