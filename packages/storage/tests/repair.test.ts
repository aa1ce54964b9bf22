/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Damage to a root of three stores: each is found, and what another store still has comes back.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Finding, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { parseImageReference } from "@bootc-store/oci";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  applyRootGc,
  ExistingStores,
  PhysicalStores,
  planRootGc,
  pull,
  repairRoot,
  type RepairResult,
  verifyRoot,
} from "../src/index.ts";
import { osImage } from "./os-image.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

const missing = lab.missing({ root: true });
const ROUNDS = process.env["BOOTC_STORE_LONG"] === "1" ? 100 : 10;

describe.skipIf(missing !== undefined)(`damage of a root ${missing ?? ""}`, () => {
  let path: string;
  const at = (name: string): string => join(path, "root", name);
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), "bootc-store-repair-"));
    for (const name of ["root/ostree", "run"]) mkdirSync(join(path, name), { recursive: true });
    using root = Dir.openHost(utf8(join(path, "root")));
    using run = Dir.openHost(utf8(join(path, "run")));
    for (const seed of [1, 2]) {
      await using stores = new PhysicalStores(root, run, { pool });
      const reference = parseImageReference(`oci:/images/os:${seed}`);
      await pull(stores, { image: await osImage(seed), reference, name: `localhost/os:${seed}` });
    }
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  async function withStores<T>(work: (stores: ExistingStores, root: Dir) => Promise<T>): Promise<T> {
    using root = Dir.openHost(utf8(join(path, "root")));
    using runRoot = Dir.openHost(utf8(join(path, "run")));
    await using stores = await ExistingStores.open(root, { pool, runRoot, access: "write" });
    return await work(stores, root);
  }
  const repair = (): Promise<RepairResult> =>
    withStores(async (stores, root) => await repairRoot(root, stores, { pool }));
  const check = (): Promise<Finding[]> =>
    withStores(async (stores, root) => {
      const all = await Array.fromAsync(verifyRoot(root, stores));
      return all.filter(({ severity }) => severity === "error");
    });

  async function askPeers(): Promise<void> {
    const graph = ["--graph", at("ostree/bootc/storage"), "--run", join(path, "run")];
    if (lab.missing({ peers: ["containers-storage"] }) === undefined)
      await lab.peers["containers-storage"].succeed([...graph, "check"]);
    if (lab.missing({ peers: ["cfsctl"] }) === undefined) {
      await lab.peers.cfsctl.succeed(["--repo", at("composefs"), "fsck"]);
      await lab.peers.cfsctl.succeed(["--repo", at("composefs"), "oci", "fsck"]);
    }
    if (lab.missing({ peers: ["ostree"] }) === undefined)
      await lab.peers.ostree.succeed([`--repo=${at("ostree/repo")}`, "fsck", "-q"]);
  }

  /** Files of a store that hold something a check can see. */
  function filesOf(store: string, suffix: RegExp): string[] {
    return readdirSync(at(store), { recursive: true, encoding: "utf8" })
      .map((name) => join(store, name))
      .filter((name) => suffix.test(name) && statSync(at(name), { throwIfNoEntry: false })?.isFile() === true)
      .sort();
  }
  const content = (store: string): string[] =>
    store === "composefs"
      ? filesOf("composefs/objects", /./)
      : store === "ostree"
        ? filesOf("ostree/repo/objects", /\.(?:file|dirtree|dirmeta|commit)$/)
        : filesOf("ostree/bootc/storage/overlay", /\/diff\//);

  function flip(name: string, place: number): void {
    const bytes = readFileSync(at(name));
    const { mode } = statSync(at(name));
    const index = place % Math.max(bytes.length, 1);
    bytes[index] = (bytes[index] ?? 0) ^ 0x41;
    // In place: another inode would not be the damage that a disk does.
    chmodSync(at(name), mode);
    writeFileSync(at(name), bytes);
  }

  test.each(["composefs", "ostree", "containers-storage"])(
    "%s: changed, cut and missing contents come back",
    async (store) => {
      const files = content(store).filter((name) => statSync(at(name)).size > 100);
      const pick = (index: number): string => files.at(index) ?? "";
      flip(pick(3), 50);
      truncateSync(at(pick(Math.floor(files.length / 2))), 10);
      unlinkSync(at(pick(-2)));
      const found = await check();
      expect(found.length).toBeGreaterThan(0);
      const result = await repair();
      expect(result.left.filter(({ severity }) => severity === "error")).toEqual([]);
      expect(result.mended.length).toBeGreaterThan(0);
      expect(await check()).toEqual([]);
      await askPeers();
    },
    120_000,
  );

  test("what no store has any more is told, and nothing is lost for it", async () => {
    const before = content("composefs").length;
    rmSync(at("ostree/bootc"), { recursive: true });
    rmSync(at("ostree/repo"), { recursive: true });
    const first = content("composefs").find((name) => statSync(at(name)).size > 4000) ?? "";
    flip(first, 20);
    const result = await repair();
    expect(result.repaired).toEqual([]);
    expect(result.left).toEqual([expect.objectContaining({ code: "composefs/object-digest-mismatch" })]);
    expect(content("composefs").length).toBe(before);
  });

  test("links that lead elsewhere or nowhere are made again", async () => {
    const layer = readdirSync(at("composefs/streams")).find((name) => name.startsWith("oci-layer-")) ?? "";
    const manifest =
      readdirSync(at("composefs/streams")).find((name) => name.startsWith("oci-manifest-")) ?? "";
    const other = readlinkSync(at(`composefs/streams/${manifest}`));
    unlinkSync(at(`composefs/streams/${layer}`));
    symlinkSync(other, at(`composefs/streams/${layer}`));
    const image = readdirSync(at("composefs/images")).find((name) => name !== "refs") ?? "";
    unlinkSync(at(`composefs/images/${image}`));
    symlinkSync("../objects/00/nothing", at(`composefs/images/${image}`));
    expect((await check()).length).toBeGreaterThan(0);
    const result = await repair();
    expect(result.left.filter(({ severity }) => severity === "error")).toEqual([]);
    await askPeers();
  }, 120_000);

  test("a commit and its ref come back", async () => {
    const refs = join("ostree/repo/refs/heads/ostree/container/image");
    const [ref = ""] = filesOf(refs, /./);
    const commit = readFileSync(at(ref), "utf8").trim();
    unlinkSync(at(`ostree/repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`));
    const result = await repair();
    expect(result.left.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(readFileSync(at(ref), "utf8").trim()).toBe(commit);
    expect(existsSync(at(`ostree/repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`))).toBe(true);
    await askPeers();
  }, 120_000);

  test(`${ROUNDS} random damages are found, and mended`, async () => {
    let seed = Number(process.env["BOOTC_STORE_SEED"] ?? 20_261_125);
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < ROUNDS; round++) {
      // What nothing needs may be damaged or gone, and nothing is wrong.
      await withStores(async (stores, root) => await applyRootGc(stores, await planRootGc(root, stores)));
      const store = ["composefs", "ostree", "containers-storage"][random(3)] ?? "";
      const files = content(store).filter((name) => statSync(at(name)).size > 0);
      const victim = files[random(files.length)] ?? "";
      const how =
        ["flip", "cut", "remove", ...(/\.file$|\/diff\//.test(victim) ? ["mode", "owner"] : [])][random(5)] ??
        "flip";
      if (how === "mode") chmodSync(at(victim), statSync(at(victim)).mode ^ 0o100);
      else if (how === "owner") chownSync(at(victim), 4711, 4711);
      else if (how === "flip") flip(victim, random(1 << 20));
      else if (how === "cut") truncateSync(at(victim), random(statSync(at(victim)).size));
      else unlinkSync(at(victim));
      const label = `seed ${seed}, round ${round}: ${how} ${victim}`;
      const found = await check();
      expect({ label, found: found.length > 0 }).toEqual({ label, found: true });
      const result = await repair();
      expect({ label, left: result.left.filter(({ severity }) => severity === "error") }).toEqual({
        label,
        left: [],
      });
    }
    await askPeers();
  }, 1_800_000);
});
