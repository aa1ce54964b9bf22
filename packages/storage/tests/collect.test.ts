/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Images out of every store, and one collection over them that keeps what is deployed.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, type Dir } from "@bootc-store/linux";

import { lookup } from "@bootc-store/tree";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  applyRootGc,
  type ExistingStores,
  listRootImages,
  planRootGc,
  type PullResult,
  removeRootImage,
  verifyRoot,
  whyKept,
} from "../src/index.ts";

import { askPeers, fillRoot, withRoot } from "./root.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

const missing = lab.missing({ root: true });

describe.skipIf(missing !== undefined)(`collecting ${missing ?? ""}`, () => {
  let path: string;
  let pulled: PullResult[];
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), "bootc-store-gc-"));
    pulled = await fillRoot(path, pool, [1, 2]);
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const withStores = <T>(
    work: (stores: ExistingStores, root: Dir) => Promise<T>,
    access: "read" | "write" = "write",
  ): Promise<T> => withRoot(path, pool, work, access);

  const collect = (): Promise<number> =>
    withStores(async (stores, root) => {
      const plan = await planRootGc(root, stores);
      const { results } = await applyRootGc(stores, plan);
      return results.reduce((sum, { removed }) => sum + removed.length, 0);
    });
  const names = (): Promise<string[]> =>
    withStores(async (stores) => (await listRootImages(stores)).flatMap((image) => image.names), "read");
  const errors = (): Promise<string[]> =>
    withStores(async (stores, root) => {
      const all = await Array.fromAsync(verifyRoot(root, stores));
      return all.filter(({ severity }) => severity === "error").map(({ code }) => code);
    }, "read");

  test("what was just pulled is needed, but for what no image refers to", async () => {
    await collect();
    expect(await collect()).toBe(0);
    expect(await names()).toHaveLength(4);
    expect(await errors()).toEqual([]);
    await askPeers(lab, path);
  });

  test("an image goes from every store, and its contents with the collection", async () => {
    await collect();
    const removed = await withStores((stores) => removeRootImage(stores, "localhost/os:1"));
    expect(removed).toEqual({
      manifest: pulled[0]?.manifest,
      removed: {
        "containers-storage": ["localhost/os:1"],
        composefs: ["localhost/os:1"],
        ostree: ["oci:/images/os:1"],
      },
    });
    expect(await names()).toEqual(["localhost/os:2", "oci:/images/os:2"]);
    const plan = await withStores((stores, root) => planRootGc(root, stores), "read");
    expect(plan.plans.map(({ kind }) => kind)).toEqual(["containers-storage", "composefs", "ostree"]);
    expect(plan.bytes).toBeGreaterThan(200_000);
    // A plan changes nothing.
    expect((await withStores((stores, root) => planRootGc(root, stores), "read")).bytes).toBe(plan.bytes);
    expect(await collect()).toBeGreaterThan(80);
    expect(await collect()).toBe(0);
    expect(await errors()).toEqual([]);
    await askPeers(lab, path);
    await withStores(async (stores) => {
      expect(
        (await stores.ostree?.readTree(pulled[1]?.ostree?.commit ?? ""))?.tree.root.size,
      ).toBeGreaterThan(1);
      await expect(stores.ostree?.readTree(pulled[0]?.ostree?.commit ?? "")).rejects.toMatchObject({
        kind: "not-found",
      });
    }, "read");
  });

  test("why something is kept is told as a way from each root, and that nothing keeps it", async () => {
    const [one, two] = pulled;
    const why = (thing: string): Promise<string[]> =>
      withStores(async (stores, root) => {
        const { keptBy } = await whyKept(root, stores, thing);
        return keptBy.map(({ store, kind, name }) => `${store} ${kind} ${name}`);
      }, "read");
    const tag = "composefs tag localhost/os:1";
    expect(await why("localhost/os:1")).toEqual(["containers-storage tag localhost/os:1", tag]);
    expect(await why(one?.composefs?.image ?? "")).toEqual([tag]);
    expect(await why(one?.ostree?.commit ?? "")).toEqual([
      "ostree ref ostree/container/image/oci_3A__2F_images/os_3A_1",
    ]);
    await withStores(async (stores, root) => {
      const layers = (await stores.containersStorage?.layers()) ?? [];
      const both = await Promise.all(layers.map(({ id }) => whyKept(root, stores, id)));
      expect(both.every(({ keptBy }) => keptBy.length === 1)).toBe(true);
      // A file of a commit: the way ends with its path.
      const commit = two?.ostree?.commit ?? "";
      const tree = (await stores.ostree?.readTree(commit))?.tree;
      const file = tree === undefined ? undefined : lookup(tree, utf8("/usr/bin/tool-5"));
      if (file?.kind !== "file" || file.content.kind !== "external") throw new Error("no file");
      const { keptBy } = await whyKept(root, stores, file.content.key);
      expect(keptBy.map(({ chain }) => chain.slice(-2))).toContainEqual([commit, "/usr/bin/tool-5"]);
    }, "read");
    await withStores((stores) => removeRootImage(stores, "localhost/os:1"));
    expect(await why(one?.ostree?.commit ?? "")).toEqual([]);
    await expect(why("nothing")).rejects.toMatchObject({ code: "storage/thing-not-found" });
  });

  test("what is deployed stays, whoever has removed its names", async () => {
    const [one] = pulled;
    const [image, commit] = [one?.composefs?.image ?? "", one?.ostree?.commit ?? ""];
    const state = join(path, "root/state/deploy", image);
    mkdirSync(state, { recursive: true });
    writeFileSync(
      join(state, `${image}.origin`),
      `[origin]\ncontainer-image-reference=ostree-unverified-image:oci:/images/os:1\n[boot]\nboot_type=bls\ndigest=${"a".repeat(64)}\n[image]\nmanifest_digest=${one?.manifest}\n`,
    );
    const deploy = join(path, "root/ostree/deploy/default/deploy");
    mkdirSync(join(deploy, `${commit}.0`), { recursive: true });
    writeFileSync(
      join(deploy, `${commit}.0.origin`),
      "[origin]\ncontainer-image-reference=ostree-unverified-image:oci:/images/os:1\n",
    );
    await withStores((stores) => removeRootImage(stores, pulled[0]?.manifest ?? ""));
    await collect();
    await withStores(async (stores) => {
      expect((await stores.composefs?.readTree(image))?.tree.root.size).toBeGreaterThan(1);
      expect((await stores.ostree?.readTree(commit))?.tree.root.size).toBeGreaterThan(1);
      expect(
        (await Array.fromAsync(stores.ostree?.verify() ?? [])).filter(({ severity }) => severity === "error"),
      ).toEqual([]);
    }, "read");
    await askPeers(lab, path);
    rmSync(join(path, "root/state"), { recursive: true });
    rmSync(deploy, { recursive: true });
    expect(await collect()).toBeGreaterThan(50);
    await withStores(async (stores) => {
      await expect(stores.composefs?.readTree(image)).rejects.toMatchObject({ kind: "not-found" });
    }, "read");
    await askPeers(lab, path);
  });

  test("nothing is collected where a deployment cannot be understood", async () => {
    mkdirSync(join(path, "root/ostree/deploy/default/deploy", `${"a".repeat(64)}.0`), { recursive: true });
    writeFileSync(join(path, "root/ostree/deploy/default/deploy", `${"a".repeat(64)}.0.origin`), "[origin\n");
    await withStores((stores) => removeRootImage(stores, "localhost/os:1"));
    await expect(collect()).rejects.toMatchObject({ code: "storage/deployments-unreadable" });
  });

  test("a name that is none, and one that is two images", async () => {
    await withStores(async (stores) => {
      await expect(removeRootImage(stores, "nothing")).rejects.toMatchObject({
        code: "storage/image-missing",
      });
      expect(await names()).toHaveLength(4);
    });
    expect(readFileSync(join(path, "root/composefs/meta.json"), "utf8")).toContain("version");
  });
});
