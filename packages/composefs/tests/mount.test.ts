// The kernel mounts our images over our objects, and shows the directory that they were made of.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { writeImage } from "@bootc-store/erofs";
import { createPool, Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { mountImage, readDirectory } from "../src/index.ts";
import { fillDirectory } from "./random-directory.ts";

const base = mkdtempSync(join(tmpdir(), "composefs-mount-"));
const pool = createPool({ size: 0 });
afterAll(() => rmSync(base, { recursive: true, force: true }));
const SEED = Date.now() % 0x7fff_ffff;

async function mounted(
  seed: number,
  verity: "require" | "off",
): Promise<{ top: Dir; source: Dir; store: Dir }> {
  const place = join(base, `${seed}`);
  for (const name of ["", "source", "store"]) mkdirSync(join(place, name), { recursive: true });
  const source = Dir.openHost(utf8(join(place, "source")));
  const store = Dir.openHost(utf8(join(place, "store")));
  writeFileSync(join(place, "source/large"), `content ${seed}`.repeat(1000));
  fillDirectory(source, seed, { whiteouts: false });
  const { root } = await readDirectory(source, { pool, algorithm: "sha256", store: () => store });
  const bytes = writeImage(root, { writer: "c", minVersion: 1, maxVersion: 1 });
  using dir = Dir.openHost(utf8(place));
  dir.atomicWrite(utf8("image"), bytes);
  using image = dir.openFile(utf8("image"));
  return { top: mountImage({ image, objects: [store], verity }), source, store };
}

async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    const { top } = await mounted(1, "off");
    top[Symbol.dispose]();
    return undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== "composefs/mount-refused") throw error;
    return message;
  }
}

/** What the kernel shows, but for attributes of overlay's own, which it hides. */
function shown(dir: Dir): unknown[] {
  return [...dir.walk()].map(({ path, type }) => {
    const { mode, uid, gid, mtime, nlink, rdev, size } = dir.stat(path);
    const file = type === "regular";
    const xattrs = dir
      .listXattrs(path)
      .filter((name) => !name.startsWith("trusted.overlay.") && !name.startsWith("user.overlay."))
      .map((name) => [name, dir.getXattr(path, name).toString("hex")]);
    return [
      path,
      mode,
      uid,
      gid,
      mtime,
      type === "directory" ? 0 : nlink,
      rdev,
      type === "directory" ? 0 : size,
      type === "symlink" ? dir.readLink(path) : file ? dir.readFile(path).toString("base64") : "",
      xattrs,
    ];
  });
}

const unable = await whyNot();

describe.skipIf(unable !== undefined)(`mounted images, seed ${SEED} (${unable ?? "here"})`, () => {
  test("show the directory that they are of", async () => {
    for (let seed = SEED; seed < SEED + 10; seed++) {
      const { top, source } = await mounted(seed, "off");
      using _top = top;
      using _source = source;
      expect(shown(top), `seed ${seed}`).toEqual(shown(source));
    }
  });

  test("with verity required, objects without it are not read", async () => {
    const { top } = await mounted(2, "require");
    using _top = top;
    expect(top.stat(utf8("large")).size).toBeGreaterThan(0);
    expect(() => top.readFile(utf8("large"))).toThrow(/input\/output error/i);
  });
});
