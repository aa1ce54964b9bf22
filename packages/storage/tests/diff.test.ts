/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Differences between trees of any store and directories.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { parseImageReference } from "@bootc-store/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  diffFound,
  ExistingStores,
  findTree,
  PhysicalStores,
  pull,
  type TreeDifference,
} from "../src/index.ts";
import { osImage } from "./os-image.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
let path = "";
beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), "bootc-store-diff-"));
});
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
  rmSync(path, { recursive: true, force: true });
});

const opened: Dir[] = [];
const openDir = (at: string): Dir => {
  const dir = Dir.openHost(utf8(at));
  opened.push(dir);
  return dir;
};
afterAll(() => opened.forEach((dir) => dir[Symbol.dispose]()));

async function diff(stores: ExistingStores, before: string, after: string): Promise<TreeDifference[]> {
  const [a, b] = [await findTree(stores, before, { openDir }), await findTree(stores, after, { openDir })];
  return await Array.fromAsync(diffFound(a, b));
}

describe.skipIf(lab.missing({ root: true }) !== undefined)("trees of stores (needs root)", () => {
  const refs = new Map<number, string>();
  beforeAll(async () => {
    for (const name of ["root/ostree", "run"]) mkdirSync(join(path, name), { recursive: true });
    using root = Dir.openHost(utf8(join(path, "root")));
    using run = Dir.openHost(utf8(join(path, "run")));
    for (const seed of [1, 2]) {
      await using stores = new PhysicalStores(root, run, { pool });
      const reference = parseImageReference(`oci:/images/os:${seed}`);
      const done = await pull(stores, {
        image: await osImage(seed),
        reference,
        name: `localhost/os:${seed}`,
      });
      refs.set(seed, done.ostree?.ref ?? "");
    }
  });

  async function withStores<T>(work: (stores: ExistingStores) => Promise<T>): Promise<T> {
    using root = Dir.openHost(utf8(join(path, "root")));
    await using stores = await ExistingStores.open(root, { pool });
    return await work(stores);
  }

  test.each(["containers-storage", "composefs"])("two versions in %s", async (store) => {
    const found = await withStores((stores) =>
      diff(stores, `${store}:localhost/os:1`, `${store}:localhost/os:2`),
    );
    const contents = found.filter(({ aspects }) => aspects?.some(({ aspect }) => aspect === "content"));
    expect(contents.map((each) => each.path)).toContain("/usr/bin/tool-0");
    expect(contents.map((each) => each.path)).toContain("/etc/os.conf");
    // One file of both versions is the same.
    expect(found.map((each) => each.path)).not.toContain("/usr/bin/tool-new");
    expect(found.every(({ type }) => type === "changed")).toBe(true);
  });

  test("two commits", async () => {
    const found = await withStores((stores) =>
      diff(stores, `ostree:${refs.get(1)}`, `ostree:${refs.get(2)}`),
    );
    expect(found.map((each) => each.path)).toContain("/usr/etc/os.conf");
    expect(found.map((each) => each.path)).not.toContain("/usr/bin/tool-new");
  });

  test("the same image in two stores is the same but for what one cannot know", async () => {
    await withStores(async (stores) => {
      const across = await diff(stores, "containers-storage:localhost/os:1", "composefs:localhost/os:1");
      // The root of a layered image has no entry of its own; each store gives it what it does.
      expect(across.filter((each) => each.path !== "/")).toEqual([]);
      const moved = await diff(stores, "composefs:localhost/os:1", `ostree:${refs.get(1)}`);
      const aspects = moved.filter(({ type }) => type === "changed").flatMap((each) => each.aspects ?? []);
      expect(aspects.map(({ aspect }) => aspect)).not.toContain("content");
      expect(moved.filter(({ type }) => type === "added").map((each) => each.path)).toContain(
        "/usr/etc/os.conf",
      );
      expect(moved.filter(({ type }) => type === "removed").map((each) => each.path)).toContain(
        "/etc/os.conf",
      );
    });
  });

  test("a name without a store is found where it is, and one that is nowhere is said to be", async () => {
    await withStores(async (stores) => {
      expect((await findTree(stores, "localhost/os:1", { openDir })).source).toBe("containers-storage");
      expect((await findTree(stores, refs.get(2) ?? "", { openDir })).source).toBe("ostree");
      for (const name of ["nothing", "composefs:nothing", "ostree:no/thing", "containers-storage:x"]) {
        await expect(findTree(stores, name, { openDir })).rejects.toMatchObject({
          code: "storage/tree-not-found",
        });
      }
    });
  });

  test("a checkout is what its commit says, until it is changed", async () => {
    const missing = lab.missing({ peers: ["ostree"] });
    if (missing !== undefined) return;
    const out = join(path, "checkout");
    await lab.peers.ostree.succeed([
      `--repo=${join(path, "root/ostree/repo")}`,
      "checkout",
      refs.get(1) ?? "",
      out,
    ]);
    await withStores(async (stores) => {
      expect(await diff(stores, `ostree:${refs.get(1)}`, out)).toEqual([]);
      rmSync(join(out, "usr/lib/os-release"));
      writeFileSync(join(out, "usr/bin/own"), "mine");
      execFileSync("chmod", ["0700", join(out, "usr/lib")]);
      const changed = await diff(stores, `ostree:${refs.get(1)}`, out);
      expect(changed.map((each) => `${each.type} ${each.path}`)).toEqual([
        "added /usr/bin/own",
        "changed /usr/lib",
        "removed /usr/lib/os-release",
      ]);
      expect(changed[1]?.aspects).toEqual([{ aspect: "permissions", before: "0755", after: "0700" }]);
    });
  });
});

test("two directories, byte by byte", async () => {
  const [a, b] = [join(path, "a"), join(path, "b")];
  mkdirSync(join(a, "dir"), { recursive: true });
  writeFileSync(join(a, "dir/same"), "x".repeat(300_000));
  writeFileSync(join(a, "other"), "first");
  writeFileSync(join(a, "new\nline"), "");
  cpSync(a, b, { recursive: true, preserveTimestamps: true });
  const stores = ExistingStores.none();
  const ignoreTimes = async (): Promise<TreeDifference[]> => {
    const [x, y] = [await findTree(stores, a, { openDir }), await findTree(stores, `dir:${b}`, { openDir })];
    return await Array.fromAsync(diffFound(x, y, { ignore: ["mtime"] }));
  };
  expect(await ignoreTimes()).toEqual([]);
  writeFileSync(join(b, "other"), "First");
  rmSync(join(b, "new\nline"));
  const found = await ignoreTimes();
  expect(found.map((each) => each.type)).toEqual(["removed", "changed"]);
  expect(found[0]?.path).not.toContain("\n");
  expect(found[1]?.aspects).toEqual([{ aspect: "content" }]);
});
