/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Calls that fail, a disk that is full and one that is read-only: an error that says so, and the store as it was before.
// `BOOTC_STORE_LONG=1` lets every call fail, else some of them.

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { isStoreError, utf8 } from "@bootc-store/core";
import { type Command, failSyscall, fullDisk, openLab, readOnlyDisk, traceCalls } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { ContainersStorage } from "../src/index.ts";
import { imageOfTars, layoutImage } from "./helpers/layout.ts";
import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const LAYOUT = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const PROGRAM = fileURLToPath(new URL("helpers/program.ts", import.meta.url));
const NAME = "localhost/fixture:v1";
const LONG = process.env["BOOTC_STORE_LONG"] === "1";
/** `BOOTC_STORE_CALLS=1-100` goes through a part of the calls. */
const FIRST = Number(process.env["BOOTC_STORE_CALLS"]?.split("-")[0] ?? 1);
const LAST = Number(process.env["BOOTC_STORE_CALLS"]?.split("-")[1] ?? Infinity);

const lab = openLab();
const missing = lab.missing({
  root: true,
  peers: ["containers-storage"],
  programs: ["perl"],
  filesystems: ["small"],
});
const cli = lab.peers["containers-storage"];
afterAll(() => lab.close());

function program(paths: StorePaths, ...args: string[]): Command {
  return [process.execPath, "--conditions=@bootc-store/source", PROGRAM, paths.root, paths.run, ...args];
}

/** What a store has: each name below its root, and its indexes; not what is in lock files, and no times of indexes. */
function contents(paths: StorePaths): string[] {
  using root = Dir.openHost(utf8(paths.root));
  const lines: string[] = [];
  for (const { dir, name, path, type } of root.walk()) {
    const { mode, uid, gid, size } = dir.stat(name);
    const isLock = path.endsWith(".lock");
    const counts = type === "regular" && !isLock ? ` ${size}` : "";
    lines.push(`${path} ${type} ${(mode & 0o7777).toString(8)} ${uid}:${gid}${counts}`);
  }
  for (const index of ["overlay-layers/layers.json", "overlay-images/images.json"]) {
    if (lines.some((line) => line.startsWith(`${index} `)))
      lines.push(readFileSync(join(paths.root, index), "utf8"));
  }
  return lines;
}

async function expectSound(paths: StorePaths, what: string): Promise<void> {
  const check = await cli.run([...paths.cli, "check"]);
  expect([what, check.code, check.text, check.errorText]).toEqual([what, 0, "", ""]);
}

/** A store with one image of its own. */
async function prepare(path: string): Promise<void> {
  await using store = openStore(pathsIn(path));
  await store.writeImage(imageOfTars([tar([{ name: "other", content: "other" }])]), {
    names: ["localhost/other:v1"],
  });
}

describe.skipIf(missing !== undefined)(
  `calls that fail${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    test.each([
      ["EIO", "pull"],
      ["ENOSPC", "pull"],
      ["EIO", "delete"],
      ["ENOSPC", "delete"],
    ] as const)(
      "%s at each call of a %s: an error that names it, and the store as before",
      async (errno, action) => {
        await using scratch = lab.scratch();
        const from = join(scratch.path, "from");
        await prepare(from);
        const args = action === "pull" ? ["pull", LAYOUT, NAME] : ["delete", NAME];
        if (action === "delete") {
          await using store = openStore(pathsIn(from));
          await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
        }
        const count = join(scratch.path, "count");
        execFileSync("cp", ["-a", from, count]);
        const traced = await traceCalls({
          command: program(pathsIn(count), ...args),
          below: count,
        });
        expect(traced.result.code).toBe(0);
        const total = traced.calls.length;
        const step = LONG ? 1 : Math.ceil(total / 6);
        let failures = 0;
        for (let n = LONG ? FIRST : errno === "EIO" ? 3 : 11; n <= Math.min(total, LAST); n += step) {
          const one = join(scratch.path, `n${n}`);
          execFileSync("cp", ["-a", from, one]);
          const own = pathsIn(one);
          const before = contents(own);
          const failed = await failSyscall({
            command: program(own, ...args),
            below: one,
            call: [...new Set(traced.calls.map(({ call }) => call))],
            errno,
            n,
          });
          const what = `${errno} at ${n} of ${total}: ${JSON.stringify(failed.failed[0])}`;
          const { code, errorText } = failed.result;
          // What comes after all is done may be passed over; everything else is an error.
          if (code === 0) {
            await using store = openStore(own);
            expect([what, (await store.images()).length]).toEqual([what, action === "pull" ? 2 : 1]);
          } else {
            failures++;
            expect([what, errorText]).toEqual([what, expect.stringContaining(errno)]);
            expect([what, contents(own)]).toEqual([what, before]);
          }
          await expectSound(own, what);
        }
        // Late calls of a deletion may all be of what comes after it.
        if (FIRST === 1) expect(failures).toBeGreaterThan(action === "pull" ? 3 : 0);
        console.log(`${failures} calls of ${total} of a ${action} failed with ${errno}`);
      },
      3_600_000,
    );
  },
);

describe.skipIf(missing !== undefined)(`disks${missing === undefined ? "" : ` (${missing})`}`, () => {
  test.each(["bytes", "inodes"] as const)("that have no %s left", async (what) => {
    await using fs = await lab.filesystem("small");
    const paths = pathsIn(join(fs.path, "store"));
    mkdirSync(join(fs.path, "store"));
    await using store = openStore(paths);
    await store.writeImage(imageOfTars([tar([{ name: "other", content: "other" }])]), { names: ["other"] });
    const before = contents(paths);
    const files = Array.from({ length: what === "bytes" ? 1 : 40 }, (_, at) => ({
      name: `file${at}`,
      content: randomBytes(what === "bytes" ? 3 << 20 : 1),
    }));
    const image = imageOfTars([tar([{ name: "small", content: "x" }]), tar(files)]);
    {
      await using _full = await fullDisk(fs.path, { what, ...(what === "bytes" ? { leave: 1 << 20 } : {}) });
      const error = await store.writeImage(image, { names: [NAME] }).catch((thrown: unknown) => thrown);
      expect(isStoreError(error, "linux/no-space")).toBe(true);
      expect(contents(paths)).toEqual(before);
      expect(await store.images()).toHaveLength(1);
    }
    expect((await Array.fromAsync(store.verify())).map(({ code }) => code)).toEqual([]);
    await expectSound(paths, what);
  });

  test("that are read-only are read, and nothing is written", async () => {
    await using fs = await lab.filesystem("ext4");
    const paths = pathsIn(join(fs.path, "store"));
    mkdirSync(join(fs.path, "store"));
    {
      await using store = openStore(paths);
      await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
    }
    const before = contents(paths);
    await using _disk = await readOnlyDisk(fs);
    await using store = ContainersStorage.open({ graphRoot: Dir.openHost(utf8(paths.root)), readOnly: true });
    expect((await store.images()).map(({ names }) => names)).toEqual([[NAME]]);
    expect((await Array.fromAsync(store.verify())).map(({ code }) => code)).toEqual([]);
    await using writing = ContainersStorage.open({
      graphRoot: Dir.openHost(utf8(paths.root)),
      runRoot: Dir.openHost(utf8(paths.run)),
    });
    expect((await writing.images()).map(({ names }) => names)).toEqual([[NAME]]);
    for (const work of [
      () => writing.writeImage(imageOfTars([tar([{ name: "a", content: "a" }])])),
      () => writing.deleteImage(NAME),
      () => writing.changeNames(NAME, { add: ["x"] }),
    ]) {
      const error = await work().catch((thrown: unknown) => thrown);
      expect(isStoreError(error, "linux/read-only")).toBe(true);
    }
    expect(contents(paths)).toEqual(before);
  });
});
