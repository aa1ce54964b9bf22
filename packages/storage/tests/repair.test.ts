/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Damage to a root of three stores: each is found, and what another store still has comes back.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
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
import { dirname, join } from "node:path";

import { type ByteString, type Finding, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { removeImages } from "@bootc-store/ostree";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  applyRootGc,
  type ExistingStores,
  planRootGc,
  repairRoot,
  type RepairResult,
  verifyRoot,
} from "../src/index.ts";
import { askPeers, fillRoot, withRoot } from "./root.ts";

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
    await fillRoot(path, pool, [1, 2]);
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const withStores = <T>(work: (stores: ExistingStores, root: Dir) => Promise<T>): Promise<T> =>
    withRoot(path, pool, work);
  const repair = (): Promise<RepairResult> =>
    withStores(async (stores, root) => await repairRoot(root, stores, { pool }));
  const check = (): Promise<Finding[]> =>
    withStores(async (stores, root) => {
      const all = await Array.fromAsync(verifyRoot(root, stores));
      return all.filter(({ severity }) => severity === "error");
    });

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
      await askPeers(lab, path);
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
    await askPeers(lab, path);
  }, 120_000);

  test("a tag whose manifest has lost its name leads to it again", async () => {
    const manifest =
      readdirSync(at("composefs/streams")).find((name) => name.startsWith("oci-manifest-")) ?? "";
    unlinkSync(at(`composefs/streams/${manifest}`));
    expect((await check()).map(({ code }) => code)).toContain("composefs/ref-broken");
    const result = await repair();
    expect(result.left.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(result.repaired.filter(({ kind }) => kind === "image")).toHaveLength(1);
    await askPeers(lab, path);
  }, 120_000);

  test("what is damaged of another image stays where it is", async () => {
    // Of the second image containers-storage and ostree have nothing; of the first all is there.
    await withStores(async ({ containersStorage, ostree }) => {
      await containersStorage?.deleteImage("localhost/os:2");
      if (ostree !== undefined) removeImages(ostree.repo, ["oci:/images/os:2"]);
    });
    await withStores(async (stores, root) => await applyRootGc(stores, await planRootGc(root, stores)));
    const before = new Set(
      content("containers-storage").map((name) => readFileSync(at(name)).toString("latin1")),
    );
    const only = content("composefs").find((name) => {
      const bytes = readFileSync(at(name)).toString("latin1");
      return bytes.startsWith("2-") && !before.has(bytes);
    });
    const whole = content("composefs").find((name) =>
      readFileSync(at(name)).toString("latin1").startsWith("1-"),
    );
    flip(only ?? "", 7);
    flip(whole ?? "", 7);
    rmSync(at("ostree/repo"), { recursive: true });
    const result = await repair();
    expect(result.left.filter(({ severity }) => severity === "error")).toEqual([
      expect.objectContaining({ code: "composefs/object-digest-mismatch" }),
    ]);
    expect(existsSync(at(only ?? ""))).toBe(true);
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
    await askPeers(lab, path);
  }, 120_000);

  /** Symbolic links of a store by which its parts find each other. */
  function linksOf(store: string): string[] {
    const places =
      store === "composefs"
        ? ["composefs/streams", "composefs/images"]
        : store === "containers-storage"
          ? ["ostree/bootc/storage/overlay/l"]
          : [];
    return places.flatMap((place) =>
      readdirSync(at(place))
        .map((name) => join(place, name))
        .filter((name) => lstatSync(at(name)).isSymbolicLink()),
    );
  }

  /** Attributes of a file that its store has written and that no kernel gives. */
  function attributesOf(name: string): ByteString[] {
    using dir = Dir.openHost(utf8(at("")));
    return dir.listXattrs(utf8(name)).filter((key) => !key.startsWith("security."));
  }

  /** Damages one thing that is needed, and says what was done to it. */
  function randomDamage(random: (below: number) => number): string {
    const store = ["composefs", "ostree", "containers-storage"][random(3)] ?? "";
    const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)];
    const links = linksOf(store);
    if (links.length > 1 && random(5) === 0) {
      const one = pick(links) ?? "";
      // A pair of the same folder, so that each leads to something of the other's kind.
      const other = pick(links.filter((name) => name !== one && dirname(name) === dirname(one)));
      const target = readlinkSync(at(one));
      unlinkSync(at(one));
      if (other === undefined || random(2) === 0) return `removed the link ${one}`;
      symlinkSync(readlinkSync(at(other)), at(one));
      unlinkSync(at(other));
      symlinkSync(target, at(other));
      return `swapped the links ${one} and ${other}`;
    }
    const files = content(store).filter((name) => statSync(at(name)).size > 0);
    if (store !== "composefs" && random(5) === 0) {
      const marked = files.filter((name) => attributesOf(name).length > 0);
      const file = pick(marked);
      const attribute = file === undefined ? undefined : pick(attributesOf(file));
      if (file !== undefined && attribute !== undefined) {
        using dir = Dir.openHost(utf8(at("")));
        dir.removeXattr(utf8(file), attribute);
        return `took ${attribute} from ${file}`;
      }
    }
    const victim = pick(files) ?? "";
    const inode = /\.file$|\/diff\//.test(victim) ? ["mode", "owner"] : [];
    const how = pick(["flip", "cut", "remove", ...inode]) ?? "";
    if (how === "mode") chmodSync(at(victim), statSync(at(victim)).mode ^ 0o100);
    else if (how === "owner") chownSync(at(victim), 4711, 4711);
    else if (how === "flip") flip(victim, random(1 << 20));
    else if (how === "cut") truncateSync(at(victim), random(statSync(at(victim)).size));
    else unlinkSync(at(victim));
    return `${how} ${victim}`;
  }

  test(`${ROUNDS} random damages are found, and mended`, async () => {
    let seed = Number(process.env["BOOTC_STORE_SEED"] ?? 20_261_125);
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < ROUNDS; round++) {
      // What nothing needs may be damaged or gone, and nothing is wrong.
      await withStores(async (stores, root) => await applyRootGc(stores, await planRootGc(root, stores)));
      const damage = randomDamage(random);
      const label = `seed ${seed}, round ${round}: ${damage}`;
      const found = await check();
      expect({ label, found: found.length > 0 }).toEqual({ label, found: true });
      const result = await repair();
      expect({ label, left: result.left.filter(({ severity }) => severity === "error") }).toEqual({
        label,
        left: [],
      });
    }
    await askPeers(lab, path);
  }, 1_800_000);
});
