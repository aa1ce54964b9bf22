// The read-only decision on real file systems: mounts and devices that are really read-only.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { askLinux, detectRoot, getPhysicalRootAndRun, sysrootIsReadOnly } from "../src/index.ts";

const lab = openLab();
afterAll(() => lab.close());

const missing = lab.missing({ root: true, filesystems: ["ext4"], programs: ["losetup", "blockdev"] });

describe.skipIf(missing !== undefined)(`read-only roots (${missing ?? "on loop devices"})`, () => {
  const host = Dir.openHost(utf8("/"));
  afterAll(() => host[Symbol.dispose]());

  test("a writable mount is not read-only", async () => {
    await using fs = await lab.filesystem("ext4");
    using dir = Dir.openHost(utf8(fs.path));
    expect(sysrootIsReadOnly(dir, askLinux(host))).toBe(false);
  });

  test("a read-only mount of a writable device is remounted, and the second handle can write", async () => {
    await using fs = await lab.filesystem("ext4", { populate: (path) => mkdirSync(join(path, "ostree")) });
    // The host's root, with the mount as its /sysroot.
    const top = dirname(fs.path);
    symlinkSync(basename(fs.path), join(top, "sysroot"));
    mkdirSync(join(top, "run"));
    await fs.remount("ro");
    using root = Dir.openHost(utf8(top));
    const opened = getPhysicalRootAndRun(root, askLinux(host));
    using physicalRoot = opened.physicalRoot;
    using run = opened.run;
    expect(opened.readOnly).toBe(false);
    expect(run.list()).toEqual([]);
    physicalRoot.makeDir(utf8("written"));
    expect(physicalRoot.list().map((entry) => entry.name)).toEqual(["lost+found", "ostree", "written"]);
  });

  test("a read-only device is found out, and nothing is remounted", async () => {
    await using fs = await lab.filesystem("ext4", { populate: (path) => mkdirSync(join(path, "boot")) });
    const { device } = fs;
    await fs.unmount();
    await using mounted = await mountReadOnly(fs.image ?? "");
    using dir = Dir.openHost(utf8(mounted.path));
    expect(device).toMatch(/^\/dev\/loop/);
    expect(sysrootIsReadOnly(dir, askLinux(host))).toBe(true);
    expect((await detectRoot(dir)).readOnly).toBe(true);
    expect(() => dir.makeDir(utf8("x"))).toThrow(expect.objectContaining({ code: "linux/read-only" }));
  });

  test("a remount that the kernel refuses is an error", async () => {
    await using fs = await lab.filesystem("ext4");
    await fs.unmount();
    await using mounted = await mountReadOnly(fs.image ?? "");
    using dir = Dir.openHost(utf8(mounted.path));
    // As if the device had not told: the remount is tried then, and fails.
    const ask = { ...askLinux(host), deviceReadOnly: () => undefined };
    expect(() => sysrootIsReadOnly(dir, ask)).toThrow(
      expect.objectContaining({ code: "storage/remount-failed" }),
    );
  });

  test("status of a read-only root changes nothing and says so", async () => {
    await using fs = await lab.filesystem("ext4", {
      populate(path) {
        mkdirSync(join(path, "ostree/repo/objects"), { recursive: true });
        writeFileSync(join(path, "ostree/repo/config"), "[core]\nrepo_version=1\nmode=bare\n");
      },
    });
    await fs.remount("ro");
    using dir = Dir.openHost(utf8(fs.path));
    const report = await detectRoot(dir);
    expect(report).toMatchObject({ readOnly: true, stores: { ostree: { mode: "bare" } }, findings: [] });
  });
});

/** Mounts an image over a loop device that is read-only itself. */
async function mountReadOnly(image: string): Promise<{ path: string } & AsyncDisposable> {
  const scratch = lab.scratch();
  const attached = spawnSync("losetup", ["--find", "--show", "--read-only", image], { encoding: "utf8" });
  const device = attached.stdout.trim();
  const mounted = spawnSync("mount", ["-t", "ext4", "-o", "ro", device, scratch.path], { encoding: "utf8" });
  const dispose = async (): Promise<void> => {
    spawnSync("umount", [scratch.path]);
    spawnSync("losetup", ["--detach", device]);
    await scratch[Symbol.asyncDispose]();
  };
  if (attached.status === 0 && mounted.status === 0)
    return { path: scratch.path, [Symbol.asyncDispose]: dispose };
  await dispose();
  throw new Error(`${attached.stderr}${mounted.stderr}`);
}
