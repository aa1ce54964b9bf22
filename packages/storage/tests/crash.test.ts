/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Pulls, removals and collections that are killed at any moment, and disks that are full: what was there is intact, what is
// left over is no damage, and the same once more completes. `BOOTC_STORE_LONG=1`: 200 kills and 50 disks.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { type Finding, isStoreError } from "@bootc-store/core";
import { fullDisk, openLab } from "@bootc-store/lab";
import { createPool } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { applyRootGc, listRootImages, planRootGc, removeRootImage, verifyRoot } from "../src/index.ts";
import { askPeers, fillRoot, withRoot } from "./root.ts";

const PROGRAM = fileURLToPath(new URL("program.ts", import.meta.url));
const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const KILLS = Number(process.env["BOOTC_STORE_ROUNDS"] ?? (LONG ? 200 : 4));
const DISKS = Number(process.env["BOOTC_STORE_ROUNDS"] ?? (LONG ? 50 : 4));

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});
const missing = lab.missing({ root: true });

function numbers(): (below: number) => number {
  let seed = Number(process.env["BOOTC_STORE_SEED"] ?? 20_261_125);
  return (below) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
}

interface Ran {
  /** Milliseconds from its beginning to its end. */
  readonly took: number;
  readonly code: number | null;
  readonly killed: boolean;
  readonly said: string;
}

/** Runs the program, and kills it so many milliseconds after it has begun. */
async function program(path: string, args: readonly string[], killAfter?: number): Promise<Ran> {
  const child = spawn(process.execPath, ["--conditions=@bootc-store/source", PROGRAM, path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let begun = 0;
  let timer: NodeJS.Timeout | undefined;
  child.stderr.on("data", (data: Buffer) => (said += data.toString()));
  child.stdout.on("data", () => {
    if (begun > 0) return;
    begun = performance.now();
    if (killAfter !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), killAfter);
  });
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ took: performance.now() - begun, code, killed: signal === "SIGKILL", said });
    });
  });
}

async function errorsOf(path: string): Promise<Finding[]> {
  return await withRoot(
    path,
    pool,
    async (stores, root) => {
      const all = await Array.fromAsync(verifyRoot(root, stores));
      return all.filter(({ severity }) => severity === "error");
    },
    "read",
  );
}

/** Names of images with the stores that have them. */
async function imagesOf(path: string): Promise<Map<string, readonly string[]>> {
  return await withRoot(
    path,
    pool,
    async (stores) =>
      new Map(
        (await listRootImages(stores)).flatMap(({ names, stores: ids }) =>
          names.map((name) => [name, Object.keys(ids).sort()] as const),
        ),
      ),
    "read",
  );
}

const ALL = ["composefs", "containers-storage", "ostree"];
const KEPT = "localhost/os:1";

describe.skipIf(missing !== undefined)(`a root that is interrupted ${missing ?? ""}`, () => {
  test(`${KILLS} kills of pulls, removals and collections`, async () => {
    await using scratch = lab.scratch();
    const { path } = scratch;
    const random = numbers();
    await fillRoot(path, pool, [1]);
    const usual = { pull: 0, rm: 0, gc: 0 };
    usual.pull = (await program(path, ["pull", "2"])).took;
    usual.rm = (await program(path, ["rm", "2"])).took;
    usual.gc = (await program(path, ["gc"])).took;
    const counts = { pull: 0, rm: 0, gc: 0 };
    for (let round = 0; round < KILLS;) {
      const seed = String(2 + random(3));
      const there = (await imagesOf(path)).has(`localhost/os:${seed}`);
      const action = (["pull", there ? "rm" : "pull", "gc"] as const)[random(3)] ?? "gc";
      const args = action === "gc" ? [action] : [action, seed];
      const killAfter = random(Math.ceil(usual[action] * 1.1));
      const first = await program(path, args, killAfter);
      const label = `${args.join(" ")} killed after ${killAfter} ms`;
      expect([label, first.killed || first.code === 0, first.said]).toEqual([label, true, ""]);
      if (first.killed) {
        counts[action]++;
        round++;
      }
      expect([label, await errorsOf(path)]).toEqual([label, []]);
      expect([label, (await imagesOf(path)).get(KEPT)]).toEqual([label, ALL]);
      const again = await program(path, args);
      // What was killed may have been done already.
      const gone = action === "rm" && again.said.includes("storage/image-missing");
      expect([label, again.code === 0 || gone, gone ? "" : again.said]).toEqual([label, true, ""]);
      expect([label, await errorsOf(path)]).toEqual([label, []]);
      const images = await imagesOf(path);
      const wanted =
        action === "pull" ? ALL : action === "rm" ? undefined : images.get(`localhost/os:${seed}`);
      expect([label, images.get(`localhost/os:${seed}`)]).toEqual([label, wanted]);
      if (!LONG || round % 4 === 0) await askPeers(lab, path);
    }
    await askPeers(lab, path);
    console.log(`killed ${counts.pull} pulls, ${counts.rm} removals, ${counts.gc} collections`);
  }, 3_600_000);

  test(`${DISKS} disks that have little left`, async () => {
    await using fs = await lab.filesystem("ext4");
    const path = join(fs.path, "base");
    mkdirSync(path);
    const random = numbers();
    await fillRoot(path, pool, [1]);
    const config = join(path, "root/ostree/repo/config");
    const usual = readFileSync(config, "utf8");
    const refused: Record<string, number> = { "linux/no-space": 0, "ostree/free-space-reserved": 0 };
    for (let round = 0; round < DISKS; round++) {
      const leave = random(6 << 20);
      // A repository of ostree keeps some of the disk free, unless it is told not to.
      writeFileSync(config, round % 2 === 0 ? usual : `${usual}min-free-space-percent=0\n`);
      const label = `${leave} bytes left`;
      {
        await using _full = await fullDisk(fs.path, { leave });
        try {
          await fillRoot(path, pool, [2]);
        } catch (error) {
          const code = isStoreError(error) ? error.code : String(error);
          expect([label, Object.keys(refused)]).toEqual([label, expect.arrayContaining([code])]);
          refused[code] = (refused[code] ?? 0) + 1;
        }
        expect([label, await errorsOf(path)]).toEqual([label, []]);
        expect([label, (await imagesOf(path)).get(KEPT)]).toEqual([label, ALL]);
      }
      await fillRoot(path, pool, [2]);
      expect([label, await errorsOf(path)]).toEqual([label, []]);
      if (!LONG || round % 5 === 0) await askPeers(lab, path);
      await withRoot(path, pool, async (stores, root) => {
        await removeRootImage(stores, "localhost/os:2");
        await applyRootGc(stores, await planRootGc(root, stores));
      });
    }
    await askPeers(lab, path);
    console.log(`of ${DISKS} disks these were too small: ${JSON.stringify(refused)}`);
    expect(Math.max(...Object.values(refused))).toBeGreaterThan(0);
  }, 3_600_000);
});
