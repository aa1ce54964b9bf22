/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The stand-in for mount.composefs beside the program, and mounts in the ways of older kernels.
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir, unmount } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { mkcomposefs, mountComposefs } from "../src/drop-ins/index.ts";
import { mountImage, type MountImageOptions } from "../src/index.ts";
import { runTool, type ToolRun } from "./tool-context.ts";

const lab = openLab();
const pool = createPool({ size: 0 });
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});
const root = process.getuid?.() === 0;

/** A directory with an image, its objects, and places to mount on. */
async function prepared(path: string): Promise<void> {
  for (const name of ["tree/sub", "objects", "obj2", "mnt", "up", "wk"])
    mkdirSync(join(path, name), { recursive: true });
  writeFileSync(join(path, "tree/sub/large"), "some content ".repeat(1000));
  writeFileSync(join(path, "tree/small"), "small");
  writeFileSync(join(path, "junk"), "no image");
  const { code, err } = await runTool(mkcomposefs, ["--digest-store=objects", "tree", "img"], {
    cwd: path,
    pool,
  });
  expect([code, err]).toEqual([0, ""]);
}

const run = async (path: string, argv: readonly string[]): Promise<ToolRun> =>
  await runTool(mountComposefs, argv, { cwd: path, pool });

function umount(path: string): void {
  using dir = Dir.openHost(utf8(path));
  unmount(dir, utf8("mnt"));
}

const LINES = [
  [],
  ["img"],
  ["img", "mnt"],
  ["-o", "foo", "img", "mnt"],
  ["-o", "foo=bar,basedir=objects", "img", "mnt"],
  ["-o", "basedir=objects,digest=00", "img", "mnt"],
  ["-o", "basedir=objects,digest=zz", "img", "mnt"],
  ["-o", "basedir=objects,digest=abc", "img", "mnt"],
  ["-o", "basedir=objects,upperdir=up", "img", "mnt"],
  ["-o", "basedir=objects,workdir=up", "img", "mnt"],
  ["-o", "basedir=nope", "img", "mnt"],
  ["-o", "basedir=objects", "nope", "mnt"],
  ["-o", "basedir=objects", "img", "nope"],
  ["-o", "basedir=objects", "junk", "mnt"],
  ["-t", "xfs", "-o", "basedir=objects", "img", "mnt"],
  ["-o", "basedir", "img", "mnt"],
  ["-o", "basedir=", "img", "mnt"],
  ["-o", "upperdir,basedir=objects", "img", "mnt"],
  ["-o", "idmap=nope,basedir=objects", "img", "mnt"],
  ["-o", "basedir=obj\\,x", "img", "mnt"],
  ["-o", ",basedir=objects", "img", "mnt"],
  ["-o", "basedir=objects", "-o", "verity", "img", "mnt"],
  ["-obasedir=nope", "img", "mnt"],
];

describe.skipIf(!root || !lab.peers["mount.composefs"].available)(
  "beside mount.composefs (needs root)",
  () => {
    test("refusals in the same words", async () => {
      await using scratch = await lab.scratch();
      await prepared(scratch.path);
      for (const argv of LINES) {
        const theirs = await lab.peers["mount.composefs"].run(argv, { cwd: scratch.path });
        const ours = await run(scratch.path, argv);
        expect([argv, ours.code, ours.out.toString(), ours.err]).toEqual([
          argv,
          theirs.code,
          theirs.text,
          theirs.errorText,
        ]);
        expect(readdirSync(join(scratch.path, "mnt"))).toEqual([]);
      }
    });
  },
);

describe.skipIf(!root)("mounts (needs root)", () => {
  test.each([
    ["basedir=objects", "read"],
    ["basedir=obj2:objects", "read"],
    ["rw,tryverity=x,basedir=obj2:objects", "none"],
    ["basedir=objects,upperdir=up,workdir=wk", "write"],
    ["ro,basedir=objects,upperdir=up,workdir=wk", "read"],
    ["basedir=objects,verity", "none"],
  ])("-o %s", async (options, access) => {
    await using scratch = await lab.scratch();
    await prepared(scratch.path);
    const at = (name: string): string => join(scratch.path, "mnt", name);
    const { code, err } = await run(scratch.path, ["img", "mnt", "-o", options]);
    expect([code, err]).toEqual([0, ""]);
    try {
      expect(readFileSync(at("small"), "utf8")).toBe("small");
      const large = (): string => readFileSync(at("sub/large"), "utf8");
      // Objects without fs-verity are not read where it is demanded.
      if (access === "none") expect(large).toThrow(/EIO/);
      else expect(large()).toBe("some content ".repeat(1000));
      const write = (): void => writeFileSync(at("new"), "new");
      if (access === "write") write();
      else expect(write).toThrow(/EROFS/);
    } finally {
      umount(scratch.path);
    }
    if (access === "write") expect(readFileSync(join(scratch.path, "up/new"), "utf8")).toBe("new");
    expect(readdirSync("/tmp").filter((name) => name.startsWith(".composefs."))).toEqual([]);
  });

  const WAYS: readonly [string, Pick<MountImageOptions, "through" | "layers">][] = [
    ["from a loop device", { through: "loop" }],
    ["with layers by paths", { layers: "paths" }],
    ["from a loop device, with layers by paths", { through: "loop", layers: "paths" }],
  ];
  test.each(WAYS)("%s", async (_, way) => {
    await using scratch = await lab.scratch();
    await prepared(scratch.path);
    using dir = Dir.openHost(utf8(scratch.path));
    using image = dir.openFile(utf8("img"));
    using objects = dir.openDir(utf8("objects"));
    using other = dir.openDir(utf8("obj2"));
    using devices = Dir.openHost(utf8("/dev"));
    const upper = dir.openDir(utf8("up"));
    const work = dir.openDir(utf8("wk"));
    for (const changes of [undefined, { upper, work }]) {
      using mounted = mountImage({
        image,
        objects: [other, objects],
        verity: "off",
        devices,
        scratch: dir,
        ...way,
        ...(changes === undefined ? {} : { changes }),
      });
      expect(mounted.readFile(utf8("sub/large")).toString()).toBe("some content ".repeat(1000));
      const write = (): void => mounted.atomicWrite(utf8("new"), Buffer.from("new"), { sync: "none" });
      if (changes === undefined) expect(write).toThrow(expect.objectContaining({ code: "linux/read-only" }));
      else write();
      expect(readdirSync(scratch.path).filter((name) => name.startsWith("."))).toEqual([]);
    }
    upper[Symbol.dispose]();
    work[Symbol.dispose]();
    expect(statSync(join(scratch.path, "up/new")).size).toBe(3);
  });
});
