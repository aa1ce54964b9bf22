// Directories put into repositories beside cfsctl: the same ids, and each takes the other's repository for its own.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { ComposefsBackend, idOfDirectory, writeDirectory } from "../src/index.ts";
import { fillDirectory } from "./random-directory.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
const pool = createPool({ size: 2 });
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  lab.close();
});

const unable = lab.missing({ root: true, peers: ["cfsctl", "sh"] });
const TREES = process.env["BOOTC_STORE_LONG"] === undefined ? 12 : 300;
const SEED = Number(process.env["COMPOSEFS_SEED"] ?? Date.now() % 0x7fff_ffff);

/** What is in a tree is random; what an image must have is there. */
function containerRoot(place: string, seed: number): void {
  for (const name of ["", "usr", "boot", "sysroot", "run", "etc"])
    mkdirSync(join(place, name), { recursive: true });
  for (const [at, name] of ["usr", "boot", "sysroot", "run", "etc"].entries()) {
    using dir = Dir.openHost(utf8(join(place, name)));
    fillDirectory(dir, seed * 8 + at, { whiteouts: false });
  }
}

describe.skipIf(unable !== undefined)(`beside cfsctl${unable === undefined ? "" : `: ${unable}`}`, () => {
  test.each(["sha512", "sha256"] as const)(
    "%s: the ids of images are the same, and both find the repositories sound",
    async (algorithm) => {
      const base = mkdtempSync(join(lab.directory, "roots-"));
      const seeds = Array.from({ length: TREES }, (_, at) => SEED + at);
      for (const seed of seeds) containerRoot(join(base, `${seed}`), seed);
      const hash = `--hash ${algorithm}`;
      const script = [
        `cfsctl --repo theirs init --algorithm fsverity-${algorithm}-12 --insecure`,
        ...seeds.map(
          (seed) =>
            `echo ${seed} $(cfsctl --no-repo ${hash} compute-id ${seed} 2>&1) $(cfsctl --repo theirs create-image ${seed} 2>&1) $(cfsctl --repo theirs create-image ${seed} --bootable 2>&1)`,
        ),
      ].join("\n");
      const ran = await lab.peers.sh.run(["-c", script], { cwd: base, timeout: 300_000 });
      mkdirSync(join(base, "ours"));
      using dir = Dir.openHost(utf8(join(base, "ours")));
      const lines: string[] = [];
      {
        await using store = await ComposefsBackend.ensure(dir, { algorithm, pool });
        for (const seed of seeds) {
          using source = Dir.openHost(utf8(join(base, `${seed}`)));
          const id = await idOfDirectory(source, algorithm, 1, { pool });
          const plain = await writeDirectory(store.repository, source, { pool, name: `t${seed}` });
          const boot = await writeDirectory(store.repository, source, { pool, bootable: true });
          expect(boot.placed.copied).toBe(0);
          lines.push(`${seed} ${id} ${algorithm}:${plain.id} ${algorithm}:${boot.id}`);
        }
        expect(await Array.fromAsync(store.verify())).toEqual([]);
      }
      expect(
        ran.text
          .trim()
          .split("\n")
          .filter((line) => /^\d/.test(line)),
      ).toEqual(lines);
      const check = await lab.peers.cfsctl.run(["--repo", join(base, "ours"), "fsck"]);
      expect(check.text).toContain("status: ok");
      using theirs = Dir.openHost(utf8(join(base, "theirs")));
      await using other = await ComposefsBackend.open(theirs, { pool });
      expect(await Array.fromAsync(other.verify())).toEqual([]);
      rmSync(base, { recursive: true, force: true });
    },
    600_000,
  );
});
