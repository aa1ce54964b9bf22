/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { utf8 } from "@bootc-store/core";
import { afterAll, describe, expect, it } from "vitest";
import { mountOld } from "../src/mount.ts";
import {
  attachMount,
  blockDeviceReadOnly,
  blockDeviceSize,
  changeMount,
  cloneMount,
  createMount,
  Dir,
  hasAttribute,
  inodeFlags,
  LoopDevice,
  mountOn,
  parseMountInfo,
  remount,
  setInodeFlag,
  unmount,
} from "../src/index.ts";
import { b, codeOf, isRoot, onLinux, openDescriptors, scratch } from "./helpers.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

const why = isRoot && onLinux ? undefined : "needs root";

function mountedAt(path: string): ReturnType<typeof parseMountInfo>[number] | undefined {
  return parseMountInfo(b(fs.readFileSync("/proc/self/mountinfo", "latin1"))).find(
    (mount) => mount.mountPoint === utf8(path),
  );
}

describe.skipIf(why !== undefined)(`mounts ${why ?? ""}`, () => {
  it("are used without a place, and go with their descriptor", () => {
    const before = openDescriptors();
    {
      using mount = createMount({
        type: "tmpfs",
        source: "mine",
        options: [
          ["size", "1m"],
          ["mode", "0700"],
        ],
      });
      mount.atomicWrite(b("f"), Buffer.from("x"));
      expect(mount.info()).toMatchObject({ typeName: "tmpfs", readOnly: false });
      expect(mount.info().blocks * mount.info().blockSize).toBe(1 << 20);
      expect(codeOf(() => mount.atomicWrite(b("g"), Buffer.alloc(2 << 20)))).toBe("linux/no-space");
      expect(mount.list().map((entry) => entry.name)).toEqual(["f"]);
    }
    expect(openDescriptors()).toBe(before);
  });

  it("are attached, changed and taken away", () => {
    using s = scratch();
    s.dir.makeDir(b("m"));
    using place = s.dir.openDir(b("m"));
    using mount = createMount({ type: "tmpfs", attributes: ["noExec"] });
    mount.atomicWrite(b("f"), Buffer.from("x"));
    attachMount(mount, place);
    try {
      expect(mountedAt(`${s.path}/m`)).toMatchObject({ type: "tmpfs" });
      expect(mountedAt(`${s.path}/m`)?.options).toContain("noexec");
      expect(fs.readFileSync(`${s.path}/m/f`, "utf8")).toBe("x");
      const inside = s.dir.stat(b("m"));
      expect(hasAttribute(inside, "mount-root")).toBe(true);
      changeMount(mount, { set: ["readOnly"], propagation: "private" });
      expect(codeOf(() => mount.atomicWrite(b("g"), Buffer.from("x")))).toBe("linux/read-only");
      using copy = cloneMount(mount);
      changeMount(copy, { clear: ["readOnly"] });
      copy.atomicWrite(b("g"), Buffer.from("x"));
      expect(mount.list().length).toBe(2);
      expect(codeOf(() => unmount(s.dir, b("m")))).toBe("linux/busy");
    } finally {
      unmount(s.dir, b("m"), { detach: true });
    }
    expect(mountedAt(`${s.path}/m`)).toBeUndefined();
    expect(s.dir.stat(b("m")).mountId).toBe(s.dir.statSelf().mountId);
  });

  it("say what the kernel said when they are refused", () => {
    expect(codeOf(() => createMount({ type: "no-such" }))).toBe("linux/call-failed");
    try {
      createMount({ type: "tmpfs", options: [["size", "nonsense"]] });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ context: { errnoName: "EINVAL", call: "fsconfig size" } });
      expect((error as { context: { log: string } }).context.log).toMatch(/tmpfs: .*size/);
    }
  });

  it("are made the old way too", () => {
    using s = scratch();
    s.dir.makeDir(b("m"));
    {
      using place = s.dir.openDir(b("m"));
      mountOld(place, {
        type: "tmpfs",
        source: "old",
        options: [["size", "1m"]],
        attributes: ["readOnly", "noSuid"],
      });
    }
    try {
      expect(mountedAt(`${s.path}/m`)).toMatchObject({ source: "old", type: "tmpfs" });
      expect(mountedAt(`${s.path}/m`)?.options).toEqual(expect.arrayContaining(["ro", "nosuid"]));
      {
        using before = s.dir.openDir(b("m"));
        expect(before.info().readOnly).toBe(true);
        remount(before, "read-write");
      }
      using after = s.dir.openDir(b("m"));
      after.atomicWrite(b("f"), Buffer.from("x"));
      remount(after, "read-only");
      expect(codeOf(() => after.atomicWrite(b("f"), Buffer.from("x")))).toBe("linux/read-only");
    } finally {
      unmount(s.dir, b("m"), { detach: true });
    }
    mountOn(s.dir, b("m"), { type: "tmpfs", source: "new" });
    try {
      expect(mountedAt(`${s.path}/m`)).toMatchObject({ source: "new" });
    } finally {
      unmount(s.dir, b("m"));
    }
  });

  it("in a namespace of its own are seen by that process alone", () => {
    using s = scratch();
    s.dir.makeDir(b("m"));
    const program = `
      const linux = await import(${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)});
      linux.unshareMounts();
      using root = linux.Dir.openHost("/");
      linux.changeMount(root, { propagation: "private", recursive: true });
      using dir = linux.Dir.openHost(${JSON.stringify(s.path)});
      linux.mountOn(dir, "m", { type: "tmpfs", source: "private" });
      using proc = linux.Dir.openHost("/proc/self");
      const mounts = linux.parseMountInfo(proc.readFile("mountinfo").toString("latin1"));
      console.log(mounts.some((mount) => mount.source === "private"));`;
    const flags = ["--conditions=@bootc-store/source", "--input-type=module", "-e", program];
    // /proc/self is the process; the namespace was made by its first thread, which is the one it shows.
    expect(execFileSync(process.execPath, flags, { encoding: "utf8" })).toBe("true\n");
    expect(mountedAt(`${s.path}/m`)).toBeUndefined();
  });

  it("with an overlay whose layers are descriptors", () => {
    using s = scratch();
    for (const name of ["lower", "upper", "work"]) s.dir.makeDir(b(name));
    s.dir.atomicWrite(b("l"), Buffer.from("lower"));
    s.dir.rename(b("l"), b("lower/f"));
    using layers = createMount({ type: "tmpfs" });
    for (const name of ["upper", "work"]) layers.makeDir(b(name));
    using lower = s.dir.openDir(b("lower"));
    using mount = createMount({
      type: "overlay",
      source: "overlay",
      options: [
        ["lowerdir+", `${s.path}/lower`],
        ["upperdir", `/proc/self/fd/${layers.fd}/upper`],
        ["workdir", `/proc/self/fd/${layers.fd}/work`],
      ],
    });
    expect(mount.readFile(b("f")).toString()).toBe("lower");
    mount.remove(b("f"));
    expect(layers.stat(b("upper/f"))).toMatchObject({ type: "character", rdev: { major: 0, minor: 0 } });
    expect(lower.list().length).toBe(1);
  });
});

const ext4 = lab.missing({ root: true, filesystems: ["ext4"] });

describe.skipIf(ext4 !== undefined)(`on a file system of its own ${ext4 ?? ""}`, () => {
  it("a loop device is bound, read-only or not, mounted and unbound", async () => {
    await using system = await lab.filesystem("ext4", { size: 64 << 20 });
    await system.unmount();
    using images = Dir.openHost(utf8(system.path.slice(0, system.path.lastIndexOf("/"))));
    const name = utf8((system.image ?? "").split("/").at(-1) ?? "");
    using image = images.openFile(name, { access: "read-write" });
    using devices = Dir.openHost(b("/dev"));
    const path = (() => {
      using loop = LoopDevice.attach(devices, image);
      expect(blockDeviceReadOnly(loop.file)).toBe(true);
      expect(blockDeviceSize(loop.file)).toBe(64 << 20);
      expect(fs.readFileSync(`/sys/block/loop${loop.number}/loop/autoclear`, "utf8")).toBe("1\n");
      expect(fs.readFileSync(`/sys/block/loop${loop.number}/ro`, "utf8")).toBe("1\n");
      return loop.path;
    })();
    expect(fs.existsSync(`/sys/block/${path.slice("/dev/".length)}/loop`)).toBe(false);
    using loop = LoopDevice.attach(devices, image, { readOnly: false, autoclear: false });
    expect(blockDeviceReadOnly(loop.file)).toBe(false);
    using mount = createMount({ type: "ext4", source: loop.path });
    expect(mount.info().typeName).toBe("ext4");
    mount.atomicWrite(b("f"), Buffer.from("x"));
    using half = LoopDevice.attach(devices, image, { offset: 32 << 20, sizeLimit: 1 << 20 });
    expect(blockDeviceSize(half.file)).toBe(1 << 20);
  });

  it("a directory is made immutable and changeable again", async () => {
    await using system = await lab.filesystem("ext4", { size: 64 << 20 });
    using dir = Dir.openHost(utf8(system.path));
    dir.makeDir(b("deployment"));
    using deployment = dir.openDir(b("deployment"));
    expect(setInodeFlag(deployment.self(), "immutable", true)).toBe(true);
    expect(setInodeFlag(deployment.self(), "immutable", true)).toBe(false);
    expect(inodeFlags(deployment.self())).toEqual(["immutable"]);
    expect(hasAttribute(dir.stat(b("deployment")), "immutable")).toBe(true);
    expect(codeOf(() => deployment.makeDir(b("x")))).toBe("linux/permission-denied");
    expect(codeOf(() => dir.removeAll(b("deployment")))).toBe("linux/permission-denied");
    expect(setInodeFlag(deployment.self(), "immutable", false)).toBe(true);
    expect(dir.removeAll(b("deployment"))).toBe(1);
    using proc = Dir.openHost(b("/proc"));
    expect(codeOf(() => inodeFlags(proc.self()))).toBe("linux/call-unsupported");
  });

  it("a read-only one refuses to be written, and full ones say so", async () => {
    await using small = await lab.filesystem("small");
    using dir = Dir.openHost(utf8(small.path));
    expect(codeOf(() => dir.atomicWrite(b("f"), Buffer.alloc(16 << 20)))).toBe("linux/no-space");
    const names = dir.list().filter((entry) => entry.type === "regular");
    expect(names).toEqual([]);
    await small.remount("ro");
    expect(codeOf(() => dir.atomicWrite(b("f"), Buffer.from("x")))).toBe("linux/read-only");
    expect(codeOf(() => dir.makeDir(b("d")))).toBe("linux/read-only");
    expect(dir.info().readOnly).toBe(true);
    remount(dir, "read-write");
    using again = Dir.openHost(utf8(small.path));
    again.makeDir(b("d"));
  });
});
