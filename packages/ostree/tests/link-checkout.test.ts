// Checkouts by links on several threads: as if it were one, with what can go wrong on any of them.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type ByteString, utf8 } from "@bootc-store/core";
import { createPool, Dir, type Pool } from "@bootc-store/linux";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import { checkout } from "../src/checkout/checkout.ts";
import { storeDirectory } from "../src/commit/from-directory.ts";
import { MutableTree, type Repo, type RepoMode, writeCommit } from "../src/index.ts";
import { objectName } from "../src/format/object-type.ts";
import { rootOf } from "../src/read/tree-path.ts";
import { dumpDirectory, makeRepo } from "./interop/helpers.ts";

const pools = [0, 1, 2, 4].map((size) => createPool({ size }));
afterAll(async () => {
  for (const pool of pools) await pool[Symbol.asyncDispose]();
});

let top = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "bootc-store-links-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const WIDE = 16;

/** Some thousand names: wide, deep, with a directory that is most of it. */
function makeSource(at: string): void {
  for (let a = 0; a < WIDE; a++) {
    const dir = join(at, `d${a}`);
    mkdirSync(join(dir, "e/f/g"), { recursive: true, mode: 0o750 });
    for (let b = 0; b < 20; b++) writeFileSync(join(dir, `file${b}`), `${(a * b) % 50}`);
    writeFileSync(join(dir, "e/f/g/empty"), "");
    symlinkSync(`../file${a}`, join(dir, "e/link"));
    mkdirSync(join(at, `d3/many/x${a}/y`), { recursive: true });
    for (let b = 0; b < 30; b++) writeFileSync(join(at, `d3/many/x${a}/y/z${b}`), `${a} ${b % 3}`);
  }
}

async function commitInto(at: string, mode: RepoMode, pool: Pool): Promise<{ repo: Repo; commit: string }> {
  const repo = makeRepo(join(top, at), mode, { pool });
  await using transaction = await repo.begin({ fsync: false });
  const root = new MutableTree();
  using source = Dir.openHost(utf8(join(top, "source")));
  await storeDirectory(transaction, source, root);
  const commit = writeCommit(transaction, root.write(transaction), { timestamp: 0 });
  await transaction.commit();
  return { repo, commit };
}

const FILES = WIDE * 21 + WIDE * 30;

describe("links on several threads", () => {
  beforeEach(() => {
    mkdirSync(join(top, "source"));
    makeSource(join(top, "source"));
  });

  test.each([
    ["bare", false],
    ["bare-user", true],
    ["bare-user-only", true],
  ] as const)("from %s", async (mode, userMode) => {
    using out = Dir.openHost(utf8(top));
    let expected: string | undefined;
    for (const pool of pools) {
      const { repo, commit } = await commitInto(`repo-${pool.size}`, mode, pool);
      using _repo = repo;
      for (let round = 0; round < 2; round++) {
        const name = `out-${pool.size}-${round}`;
        const devino = new Map<string, string>();
        const node = rootOf(repo, commit);
        const result = await checkout(repo, node, out, utf8(name), { userMode, devino });
        // Empty files and, in some modes, symlinks cannot be links.
        const copied = WIDE + (mode === "bare" ? 0 : WIDE);
        expect(result).toEqual({
          linked: FILES + WIDE - copied,
          copied,
          cloned: 0,
          kept: 0,
          directories: 1 + WIDE * 4 + 1 + WIDE * 2,
        });
        expect(new Set(devino.values()).size).toBeGreaterThan(50);
        const found = dumpDirectory(join(top, name));
        expected ??= found;
        expect(found).toBe(expected);
        // Again over itself, everything is there.
        const again = await checkout(repo, node, out, utf8(name), { userMode, overwrite: "union" });
        expect(again.linked + again.kept + again.copied).toBe(FILES + WIDE);
        expect(dumpDirectory(join(top, name))).toBe(expected);
      }
    }
  });

  test("directories get their times after all is in them", async () => {
    const { repo, commit } = await commitInto("repo", "bare", pools[3] as Pool);
    using _repo = repo;
    using out = Dir.openHost(utf8(top));
    await checkout(repo, rootOf(repo, commit), out, utf8("out"));
    using made = out.openDir(utf8("out"));
    for (const { path, type } of made.walk())
      if (type === "directory") expect([path, made.stat(path).mtime.seconds]).toEqual([path, 0]);
    expect(made.statSelf().mtime.seconds).toBe(0);
  });

  test("an object that is missing ends it for all, whoever comes upon it", async () => {
    for (const [index, pool] of pools.entries()) {
      const { repo, commit } = await commitInto(`repo-${index}`, "bare", pool);
      using _repo = repo;
      using out = Dir.openHost(utf8(top));
      const { tree } = repo.readCommit(commit);
      for (const at of [`d${WIDE - 1}`, "d3"]) {
        const below = repo.readDirtree(tree).dirs.get(at as ByteString)?.tree ?? "";
        const lost = repo.readDirtree(below).dirs.get((at === "d3" ? "many" : "e") as ByteString)?.tree ?? "";
        using shard = repo.objects.openDir(lost.slice(0, 2) as ByteString);
        shard.removeOptional(objectName(lost, "dirtree", "bare"));
        await expect(
          checkout(repo, rootOf(repo, commit), out, utf8(`out-${index}-${at}`)),
        ).rejects.toMatchObject({
          code: "ostree/object-not-found",
        });
      }
    }
  });

  test("it can be stopped", async () => {
    for (const pool of pools.slice(2)) {
      const { repo, commit } = await commitInto(`repo-${pool.size}`, "bare", pool);
      using _repo = repo;
      using out = Dir.openHost(utf8(top));
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 1);
      const name = `out-${pool.size}`;
      const ended = checkout(repo, rootOf(repo, commit), out, utf8(name), { signal: controller.signal });
      await expect(ended).rejects.toMatchObject({ code: "core/cancelled" });
      expect(readdirSync(join(top, name)).length).toBeLessThanOrEqual(WIDE);
    }
  });
});
