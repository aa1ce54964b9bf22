/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { existsSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { LabelPolicy } from "@bootc-store/tree";
import { afterAll, describe, expect, test } from "vitest";

import { ensureBootcStore, namesToKeep, parseBoundImage, readBoundImages } from "../src/index.ts";
import { imageOfTars } from "./helpers/layout.ts";
import { tar } from "./helpers/tar.ts";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["podman"] });
afterAll(() => lab.close());

const policy = new LabelPolicy(
  {
    fileContexts: utf8(
      "/var/lib/containers/storage(/.*)? system_u:object_r:container_var_lib_t:s0\n/var/lib/containers/storage/overlay(/.*)? system_u:object_r:container_ro_file_t:s0\n",
    ),
  },
  "libselinux",
);

describe.skipIf(missing !== undefined)(`bootc's store${missing === undefined ? "" : ` (${missing})`}`, () => {
  test.each(["ostree", "composefs"])("is made by a rename, and podman takes it: %s", async (kind) => {
    await using scratch = lab.scratch();
    const base = join(scratch.path, "sysroot");
    const run = join(scratch.path, "run");
    for (const path of [base, run]) mkdirSync(path);
    if (kind === "composefs") {
      mkdirSync(join(base, "composefs/bootc"), { recursive: true });
      mkdirSync(join(base, "ostree"));
      symlinkSync("../composefs/bootc", join(base, "ostree/bootc"));
    }
    using baseDir = Dir.openHost(utf8(base));
    using runDir = Dir.openHost(utf8(run));
    // What somebody left who died while making it.
    mkdirSync(
      join(base, kind === "ostree" ? "ostree/bootc/storage.tmp/x" : "composefs/bootc/storage.tmp/x"),
      { recursive: true },
    );
    {
      const { store, created, ensureLabeled } = ensureBootcStore({ base: baseDir, run: runDir, policy });
      await using _store = store;
      expect(created).toBe(true);
      const root = join(base, "ostree/bootc/storage");
      expect(existsSync(join(root, ".bootc_labeled"))).toBe(false);
      await store.writeImage(imageOfTars([tar([{ name: "a", content: "a" }])]), {
        names: ["localhost/bound:1"],
      });
      expect(ensureLabeled()).toBe("labeled");
      expect(ensureLabeled()).toBe("stamped");
      using dir = Dir.openHost(utf8(root));
      const label = (name: string): string =>
        dir.getXattr(utf8(name), "security.selinux" as ByteString).toString();
      expect(label("overlay/l")).toBe("system_u:object_r:container_ro_file_t:s0\0");
      expect(label("overlay-images/images.json")).toBe("system_u:object_r:container_var_lib_t:s0\0");
      expect(label(".bootc_labeled")).toBe("system_u:object_r:container_var_lib_t:s0\0");
      expect(readdirSync(join(base, "ostree/bootc"))).toEqual(["storage"]);
      if (kind === "composefs") expect(readlinkSync(join(base, "ostree/bootc"))).toBe("../composefs/bootc");
    }
    const podman = ["--root", join(base, "ostree/bootc/storage"), "--runroot", join(run, "bootc/storage")];
    const listed = await lab.peers.podman.succeed([
      ...podman,
      "image",
      "list",
      "--format",
      "{{.Repository}}:{{.Tag}}",
    ]);
    expect(listed.text).toBe("localhost/bound:1\n");
    const again = ensureBootcStore({ base: baseDir, run: runDir });
    await using _again = again.store;
    expect(again.created).toBe(false);
    expect(await again.store.images()).toHaveLength(1);
  });

  test("that was there and not labelled is labelled when it is opened", async () => {
    await using scratch = lab.scratch();
    using base = Dir.openHost(utf8(scratch.path));
    base.ensureDir(utf8("run"));
    using run = base.openDir(utf8("run"));
    await ensureBootcStore({ base, run }).store[Symbol.asyncDispose]();
    await ensureBootcStore({ base, run, policy }).store[Symbol.asyncDispose]();
    expect(existsSync(join(scratch.path, "ostree/bootc/storage/.bootc_labeled"))).toBe(true);
  });
});

describe("bound images", () => {
  test.each([
    ["a.image", "[Image]\nImage=quay.io/a/b\nPullSecret=x\n", "quay.io/a/b"],
    [
      "a.container",
      "# a comment\n[Unit]\nDescription=x\n[Container]\nImage=quay.io/a/b:1\nExec=true\n",
      "quay.io/a/b:1",
    ],
    ["a.b.image", "[Image]\nImage=x%%y\n", "x%y"],
  ])("%s", (file, text, image) => {
    expect(parseBoundImage(file, text)).toBe(image);
  });

  test.each([
    ["a.volume", "[Image]\nImage=a\n", "Invalid file extension: volume"],
    ["image", "[Image]\nImage=a\n", "Invalid file extension"],
    ["a.image", "[Container]\nImage=a\n", "Missing Image field"],
    ["a.container", "[Image]\nImage=a\n", "Missing Image field"],
    ["a.image", "[Image]\nImage=a\nAuthFile=/x\n", "AuthFile is not supported"],
    ["a.image", "[Image]\nImage=a%h\n", "specifiers are not supported"],
    ["a.image", "[Image]\nImage=a%\n", "Unterminated %"],
    ["a.image", "[Image\nImage", "not a quadlet"],
  ])("%s with %j is refused", (file, text, problem) => {
    expect(() => parseBoundImage(file, text)).toThrow(problem);
  });

  test("are read through links that lead nowhere outside", async () => {
    await using scratch = lab.scratch();
    using root = Dir.openHost(utf8(scratch.path));
    expect(readBoundImages(root)).toEqual([]);
    mkdirSync(join(scratch.path, "usr/share/containers/systemd"), { recursive: true });
    const bound = join(scratch.path, "usr/lib/bootc/bound-images.d");
    mkdirSync(bound, { recursive: true });
    writeFileSync(
      join(scratch.path, "usr/share/containers/systemd/one.image"),
      "[Image]\nImage=quay.io/a/b\n",
    );
    writeFileSync(
      join(scratch.path, "usr/share/containers/systemd/two.container"),
      "[Container]\nImage=quay.io/a/b:latest\n",
    );
    symlinkSync("/usr/share/containers/systemd/two.container", join(bound, "two.container"));
    symlinkSync("../../../share/containers/systemd/one.image", join(bound, "one.image"));
    const images = readBoundImages(root);
    expect(images).toEqual([
      { file: "one.image", image: "quay.io/a/b" },
      { file: "two.container", image: "quay.io/a/b:latest" },
    ]);
    expect(namesToKeep(images)).toEqual(["quay.io/a/b:latest"]);
    symlinkSync("/etc/hostname-that-is-not-there", join(bound, "zz.image"));
    const refuses = (): void => {
      try {
        readBoundImages(root);
      } catch (error) {
        expect(isStoreError(error, "containers-storage/bound-image-invalid")).toBe(true);
        throw error;
      }
    };
    expect(refuses).toThrow("cannot be read");
    writeFileSync(join(bound, "a.image"), "[Image]\nImage=x\n");
    expect(refuses).toThrow("Not a symlink");
  });
});
