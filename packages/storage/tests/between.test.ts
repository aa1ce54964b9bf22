/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// What only several stores together show, and that it is mended where another store has it whole.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Image } from "@bootc-store/backend";
import { listTags, removeTag } from "@bootc-store/composefs";
import { type Finding, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { parseImageReference } from "@bootc-store/oci";
import { HEADS, imageRefOf, listImages, type Repo } from "@bootc-store/ostree";
import { buildImage } from "@bootc-store/testkit";
import { copyTree, removeLabels, setContent, walkTree } from "@bootc-store/tree";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  applyRootGc,
  PhysicalStores,
  planRootGc,
  pull,
  type PullResult,
  removeRootImage,
  repairRoot,
  verifyRoot,
} from "../src/index.ts";
import { askPeers, withRoot } from "./root.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

const TIME = { sec: 1_700_000_000, nsec: 0 };
const TYPE = "usr/lib/type";

/** Has a policy, by which ostree labels what it stores. */
async function labelledImage(): Promise<Image> {
  const dirs = ["etc", "etc/selinux", "etc/selinux/targeted", "etc/selinux/targeted/contexts"];
  dirs.push("etc/selinux/targeted/contexts/files", "usr", "usr/lib");
  const files: readonly [string, string | Buffer][] = [
    ["etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n"],
    [
      "etc/selinux/targeted/contexts/files/file_contexts",
      "/.*  system_u:object_r:default_t:s0\n/usr/lib(/.*)?  system_u:object_r:lib_t:s0\n",
    ],
    ["usr/lib/large", Buffer.alloc(300_000, "large ")],
    ["usr/lib/other", Buffer.alloc(20_000, "other ")],
    [TYPE, "small"],
  ];
  return await buildImage({
    layers: [
      [
        ...dirs.map((name) => ({
          entry: { type: "directory" as const, name: utf8(`${name}/`), mtime: TIME },
        })),
        ...files.map(([name, content]) => {
          const bytes = Buffer.from(content);
          const entry = { type: "file" as const, name: utf8(name), size: bytes.length, mtime: TIME };
          return { entry, content: bytes };
        }),
      ],
    ],
    created: "2024-02-03T04:05:06Z",
  });
}

describe.skipIf(lab.missing({ root: true }) !== undefined)("findings between stores (needs root)", () => {
  let path: string;
  let pulled: PullResult;
  const at = (name: string): string => join(path, "root", name);
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), "bootc-store-between-"));
    for (const name of ["root/ostree", "run"]) mkdirSync(join(path, name), { recursive: true });
    using root = Dir.openHost(utf8(join(path, "root")));
    using run = Dir.openHost(utf8(join(path, "run")));
    await using stores = new PhysicalStores(root, run, { pool });
    const reference = parseImageReference("oci:/images/os:1");
    pulled = await pull(stores, { image: await labelledImage(), reference, name: "localhost/os:1" });
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const check = (): Promise<Finding[]> =>
    withRoot(path, pool, async (stores, root) => await Array.fromAsync(verifyRoot(root, stores)));
  const repair = () => withRoot(path, pool, async (stores, root) => await repairRoot(root, stores, { pool }));

  test("nothing is found in what was pulled", async () => {
    expect(await check()).toEqual([]);
  });

  test("labels that a commit has lost come back", async () => {
    await withRoot(path, pool, async ({ ostree }) => {
      if (ostree === undefined) throw new Error("no ostree");
      const { tree, contents } = await ostree.readTree(pulled.ostree?.commit ?? "");
      const bare = copyTree(tree);
      removeLabels(bare);
      await recommit(ostree.repo, { tree: bare, contents });
    });
    const found = await check();
    expect(found.map(({ code }) => code)).toEqual(["storage/labels-lost"]);
    expect(found[0]).toMatchObject({ severity: "error", subject: { backend: "ostree", kind: "commit" } });
    const result = await repair();
    expect(result.mended.map(({ code }) => code)).toEqual(["storage/labels-lost"]);
    expect(result.left).toEqual([]);
    await expectCommit();
  }, 60_000);

  test("a commit with other bytes than its image is made again, though each store is whole", async () => {
    await withRoot(path, pool, async ({ ostree }) => {
      if (ostree === undefined) throw new Error("no ostree");
      const { tree, contents } = await ostree.readTree(pulled.ostree?.commit ?? "");
      const other = copyTree(tree);
      for (const { path: name, inode } of walkTree(other)) {
        if (name.endsWith(TYPE) && inode.kind === "file")
          setContent(inode, 5, { kind: "inline", bytes: Buffer.from("SMALL") });
      }
      await recommit(ostree.repo, { tree: other, contents });
    });
    if (lab.missing({ peers: ["ostree"] }) === undefined) await askPeers(lab, path);
    const found = await check();
    expect(found.map(({ code, subject }) => [code, subject.path])).toEqual([
      ["storage/content-differs", `/${TYPE}`],
    ]);
    expect((await repair()).left).toEqual([]);
    await expectCommit();
  }, 60_000);

  test.each(["composefs", "containers-storage"] as const)(
    "a content that has changed in %s is told from the one that has not",
    async (store) => {
      const below = store === "composefs" ? "composefs/objects" : "ostree/bootc/storage/overlay";
      const victim = readdirSync(at(below), { recursive: true, encoding: "utf8" })
        .map((name) => at(join(below, name)))
        .find((name) => statSync(name).isFile() && statSync(name).size === 300_000);
      if (victim === undefined) throw new Error("no such file");
      const bytes = readFileSync(victim);
      bytes[1000] = 0;
      writeFileSync(victim, bytes);
      const found = (await check()).filter(({ code }) => code === "storage/content-differs");
      expect(found.map(({ subject }) => [subject.backend, subject.path])).toContainEqual([
        store,
        "usr/lib/large",
      ]);
      expect(found.every(({ subject }) => subject.backend !== other(store))).toBe(true);
      expect((await repair()).left).toEqual([]);
      expect(await check()).toEqual([]);
      await askPeers(lab, path);
    },
    60_000,
  );

  test("a commit whose image is gone is told, loudly where some of it is left", async () => {
    await withRoot(path, pool, async ({ containersStorage, composefs }) => {
      await containersStorage?.deleteImage("localhost/os:1");
      if (composefs === undefined) throw new Error("no composefs");
      for (const { name } of listTags(composefs.repository)) removeTag(composefs.repository, name);
      for (const name of readdirSync(at("composefs/streams")))
        if (name.startsWith("oci-manifest-")) unlinkSync(at(`composefs/streams/${name}`));
    });
    const [gone, ...others] = (await check()).filter(({ code }) => code === "storage/commit-image-gone");
    expect(others).toEqual([]);
    expect(gone).toMatchObject({ severity: "warning", expected: pulled.manifest });
    await withRoot(path, pool, async (stores, root) => {
      await applyRootGc(stores, await planRootGc(root, stores));
    });
    const after = await check();
    expect(after.map(({ code, severity }) => [code, severity])).toEqual([
      ["storage/commit-image-gone", "note"],
    ]);
    // What is to go goes from all stores, and leaves no such commit.
    await withRoot(path, pool, async (stores) => void (await removeRootImage(stores, "oci:/images/os:1")));
    expect(await check()).toEqual([]);
  }, 60_000);

  async function recommit(repo: Repo, source: Parameters<Repo["writeTree"]>[0]): Promise<void> {
    const [image] = listImages(repo);
    const { metadata, timestamp } = repo.readCommit(image?.commit ?? "");
    const { id } = await repo.writeTree(source, { metadata, timestamp: Number(timestamp) });
    expect(image?.ref).toBe(imageRefOf("oci:/images/os:1"));
    repo.refs.write(HEADS, image?.ref ?? "", id);
  }

  /** The commit is the one that the pull made, and the tools have nothing against it. */
  async function expectCommit(): Promise<void> {
    expect(await check()).toEqual([]);
    await withRoot(path, pool, async ({ ostree }) => {
      expect(listImages(ostree!.repo).map(({ commit }) => commit)).toEqual([pulled.ostree?.commit]);
    });
    await askPeers(lab, path);
  }
});

function other(store: string): string {
  return store === "composefs" ? "containers-storage" : "composefs";
}
