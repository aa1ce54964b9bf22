// The way through the three stores on real file systems, and what the real tools say of it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Image } from "@bootc-store/backend";
import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir, sharedBytes } from "@bootc-store/linux";
import { openImageSource, parseImageReference } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { osImage } from "./os-image.ts";
import { imageOfSource, PhysicalStores, pull, type PullResult } from "../src/index.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

async function pullInto(
  path: string,
  image: Image,
  name: string,
  backend: "ostree" | "composefs",
): Promise<PullResult> {
  mkdirSync(join(path, "root"), { recursive: true });
  mkdirSync(join(path, "run"), { recursive: true });
  using root = Dir.openHost(utf8(join(path, "root")));
  using run = Dir.openHost(utf8(join(path, "run")));
  await using stores = new PhysicalStores(root, run, { pool, backend });
  return await pull(stores, {
    image,
    reference: parseImageReference("oci:/images/os:1"),
    name,
    bootable: true,
  });
}

/** What the tools that own the stores say of them. */
async function askPeers(path: string, result: PullResult, backend: "ostree" | "composefs"): Promise<void> {
  const { ostree, cfsctl } = lab.peers;
  const root = join(path, "root");
  const repo = `--repo=${join(root, "ostree/repo")}`;
  expect((await ostree.succeed([repo, "fsck"])).text).toContain("no errors found");
  expect((await ostree.succeed([repo, "rev-parse", result.ostree?.ref ?? ""])).text.trim()).toBe(
    result.ostree?.commit,
  );
  expect((await ostree.succeed([repo, "ls", "-R", result.ostree?.commit ?? ""])).text).toMatch(
    /\/usr\/etc\/os\.conf/,
  );
  expect((await cfsctl.succeed(["--repo", join(root, "composefs"), "fsck"])).text).toContain("status: ok");
  expect((await cfsctl.succeed(["--repo", join(root, "composefs"), "oci", "fsck"])).text).toContain(
    "status: ok",
  );
  const graph = join(root, backend === "composefs" ? "composefs/bootc/storage" : "ostree/bootc/storage");
  const storage = lab.peers["containers-storage"];
  const checked = await storage.run(["--graph", graph, "--run", join(path, "run"), "check"]);
  expect(`${checked.code} ${checked.text}`).toBe("0 ");
  expect((await storage.succeed(["--graph", graph, "--run", join(path, "run"), "images"])).text).toContain(
    "localhost/os:1",
  );
}

const missing = lab.missing({ root: true, peers: ["ostree", "cfsctl", "containers-storage"] });

describe.skipIf(missing !== undefined)(
  `an image through three stores (${missing ?? "asking the real tools"})`,
  () => {
    test.each([
      ["xfs", "composefs", "cloned"],
      ["btrfs", "ostree", "cloned"],
      ["ext4", "ostree", "copied"],
    ] as const)("on %s in the layout of %s, contents are %s", async (kind, backend, how) => {
      await using fs = await lab.filesystem(kind);
      const image = await osImage(1);
      const result = await pullInto(fs.path, image, "localhost/os:1", backend);
      await askPeers(fs.path, result, backend);
      expect(result.containersStorage?.layers).toEqual({ present: 0, written: 2 });
      expect(result.composefs?.content[how].files).toBe(41);
      expect(result.ostree?.content[how].files).toBeGreaterThanOrEqual(40);
      if (how === "cloned") {
        expect(result.composefs?.content.copied.files).toBe(0);
        expectShared(join(fs.path, "root/composefs/objects"), 64);
      }
      // What is there is not done again.
      const again = await pullInto(fs.path, image, "localhost/os:1", backend);
      expect(again).toMatchObject({
        containersStorage: { created: false, layers: { present: 2, written: 0 } },
        composefs: { created: false, layers: { present: 2, written: 0 }, image: result.composefs?.image },
        ostree: { created: false, commit: result.ostree?.commit },
      });
      await askPeers(fs.path, again, backend);
    });

    test("a second version writes what is new", async () => {
      await using fs = await lab.filesystem("xfs");
      await pullInto(fs.path, await osImage(1), "localhost/os:1", "ostree");
      const result = await pullInto(fs.path, await osImage(2), "localhost/os:1", "ostree");
      await askPeers(fs.path, result, "ostree");
      expect(result.ostree?.content.reused.files).toBeGreaterThan(0);
    });
  },
);

const RECORDED = join(import.meta.dirname, "../../../../shared/fixtures/ostree-container");
const unrecorded = existsSync(RECORDED) ? missing : "no recordings";

describe.skipIf(unrecorded !== undefined)(
  `recorded images through three stores (${unrecorded ?? ""})`,
  () => {
    test.each([
      "plain-v1",
      "plain-zstd",
      "plain-docker",
      "os-v1",
      "os-selinux",
      "encap-chunked",
      "encap-plainroot",
      "edge-xhard",
      "edge-dirupper",
    ])("%s has the merge commit that bootc makes", async (name) => {
      await using fs = await lab.filesystem("xfs");
      const recorded = JSON.parse(readFileSync(join(RECORDED, `single/${name}.json`), "utf8")) as {
        readonly image: string;
        readonly steps: readonly [unknown, { readonly refs: Readonly<Record<string, string>> }];
      };
      using host = Dir.openHost(utf8("/"));
      const from = parseImageReference(recorded.image.replace("oci:", `oci:${RECORDED}`));
      await using image = await imageOfSource(await openImageSource(from, { host: { root: host } }));
      for (const each of ["root", "run"]) mkdirSync(join(fs.path, each));
      using root = Dir.openHost(utf8(join(fs.path, "root")));
      using run = Dir.openHost(utf8(join(fs.path, "run")));
      await using stores = new PhysicalStores(root, run, { pool });
      const result = await pull(stores, {
        image,
        reference: parseImageReference(recorded.image),
        name: "localhost/os:1",
        bootable: false,
      });
      const refs = recorded.steps[1].refs;
      expect(result.ostree?.commit).toBe(refs[result.ostree?.ref ?? ""]);
      const repo = `--repo=${join(fs.path, "root/ostree/repo")}`;
      const listed = (await lab.peers.ostree.succeed([repo, "refs"])).text.trim().split("\n").sort();
      expect(listed).toEqual(Object.keys(refs).sort());
      await lab.peers.ostree.succeed([repo, "fsck", "-q"]);
    });
  },
);

/** Every regular file of more than this many bytes shares all of its blocks with another. */
function expectShared(path: string, over: number): void {
  using dir = Dir.openHost(utf8(path));
  let looked = 0;
  for (const entry of dir.walk()) {
    if (entry.type !== "regular") continue;
    using each = dir.openFile(entry.path);
    const { size } = each.stat();
    // Splitstreams and images are made here and are nobody else's.
    if (size <= over || (sharedBytes(each) ?? 0) === 0) continue;
    looked++;
    expect(sharedBytes(each)).toBeGreaterThanOrEqual(size);
  }
  expect(looked).toBeGreaterThan(35);
}

describe("without the real tools", () => {
  test.skipIf(process.getuid?.() !== 0)("a pull can end at any store (needs root)", async () => {
    const path = mkdtempSync(join(tmpdir(), "bootc-store-pull-"));
    try {
      for (const name of ["root", "run"]) mkdirSync(join(path, name));
      using root = Dir.openHost(utf8(join(path, "root")));
      using run = Dir.openHost(utf8(join(path, "run")));
      await using stores = new PhysicalStores(root, run, { pool });
      const stages: string[] = [];
      const result = await pull(stores, {
        image: await osImage(3),
        reference: parseImageReference("oci:/x:1"),
        name: "localhost/x:1",
        into: ["containers-storage", "composefs"],
        onProgress: ({ task, id, type }) => {
          if (task === "stage") stages.push(`${id} ${type}`);
        },
      });
      expect(result.ostree).toBeUndefined();
      expect(stages).toEqual([
        "containers-storage started",
        "containers-storage done",
        "composefs started",
        "composefs done",
      ]);
      expect(root.statOptional(utf8("ostree/repo"))).toBeUndefined();
    } finally {
      rmSync(path, { recursive: true, force: true });
    }
  });
});
