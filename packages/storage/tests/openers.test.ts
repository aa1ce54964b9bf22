import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { isStoreError, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { initRepo } from "@bootc-store/ostree";
import { LabelPolicy } from "@bootc-store/tree";
import { describe, expect, test } from "vitest";

import { imgstoreOpener, ostreeOpener, Storage } from "../src/index.ts";
import { plant } from "./plant.ts";

const isRoot = process.getuid?.() === 0;
const policy = new LabelPolicy(
  { fileContexts: utf8("/var/lib/containers/storage(/.*)? system_u:object_r:container_var_lib_t:s0\n") },
  "libselinux",
);

async function closed(storage: Storage, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await storage[Symbol.asyncDispose]();
  }
}

describe.skipIf(!isRoot)("getEnsureImgstore (needs root)", () => {
  test.each(["ostree", "composefs"])("makes the store once, and labels it: %s", async (kind) => {
    using root = plant({});
    const run = join(root.path, "run");
    mkdirSync(run);
    if (kind === "composefs") {
      mkdirSync(join(root.path, "composefs/bootc"), { recursive: true });
      mkdirSync(join(root.path, "ostree"));
      symlinkSync("../composefs/bootc", join(root.path, "ostree/bootc"));
    }
    const opener = imgstoreOpener({ policy });
    expect(opener.ensureLabeled()).toBe("not-opened");
    const storage = new Storage({
      physicalRoot: Dir.openHost(utf8(root.path)),
      physicalRootPath: "/sysroot",
      run: Dir.openHost(utf8(run)),
      readOnly: false,
      openers: opener,
    });
    await closed(storage, async () => {
      const [one, two] = await Promise.all([storage.getEnsureImgstore(), storage.getEnsureImgstore()]);
      expect(one).toBe(two);
      expect((await one.inspect()).counts).toEqual({ images: 0, layers: 0, containers: 0 });
      const real = join(root.path, kind === "ostree" ? "ostree/bootc" : "composefs/bootc", "storage");
      expect(existsSync(join(real, "overlay-images/images.lock"))).toBe(true);
      expect(opener.ensureLabeled()).toBe("labeled");
      expect(existsSync(join(real, ".bootc_labeled"))).toBe(true);
      expect(existsSync(join(run, "bootc/storage"))).toBe(true);
    });
  });

  test("makes nothing in a root that cannot be written", async () => {
    using root = plant({ "ostree/bootc": null, run: null });
    const storage = new Storage({
      physicalRoot: Dir.openHost(utf8(root.path)),
      physicalRootPath: "/sysroot",
      run: Dir.openHost(utf8(join(root.path, "run"))),
      readOnly: true,
      openers: imgstoreOpener(),
    });
    await closed(storage, async () => {
      await expect(storage.getEnsureImgstore()).rejects.toSatisfy((error) =>
        isStoreError(error, "linux/not-found"),
      );
      expect(existsSync(join(root.path, "ostree/bootc/storage"))).toBe(false);
    });
  });
});

describe("getOstree", () => {
  const storageOf = (path: string): Storage =>
    new Storage({
      physicalRoot: Dir.openHost(utf8(path)),
      physicalRootPath: "/sysroot",
      run: Dir.openHost(utf8(join(path, "run"))),
      readOnly: false,
      openers: { ostree: ostreeOpener() },
    });

  test("has the repository once it was opened, and never opens it", async () => {
    using root = plant({ "ostree/repo": null, run: null });
    initRepo(Dir.openHost(utf8(join(root.path, "ostree/repo"))), { mode: "bare" });
    const storage = storageOf(root.path);
    await closed(storage, async () => {
      await expect(storage.getOstree()).rejects.toMatchObject({ code: "storage/ostree-not-initialized" });
      const opened = await storage.openOstree();
      expect(await storage.getOstree()).toBe(opened);
      expect(await opened.inspect()).toMatchObject({
        kind: "ostree",
        format: "bare",
        counts: { objects: 0, commits: 0, refs: 0 },
      });
    });
  });

  test("makes no repository", async () => {
    using root = plant({ "ostree/repo": null, run: null });
    const storage = storageOf(root.path);
    await closed(storage, async () => {
      await expect(storage.openOstree()).rejects.toMatchObject({ code: "ostree/repo-not-found" });
      expect(existsSync(join(root.path, "ostree/repo/config"))).toBe(false);
    });
  });
});
