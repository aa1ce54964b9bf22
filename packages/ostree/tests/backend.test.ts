/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The contract's scenarios on a repository, and trees out of it and into another.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type ByteString, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { contractScenarios, type ContractStore, describeScenarios } from "@bootc-store/testkit";
import {
  type Directory,
  type File as TreeFile,
  inlineFile,
  lookup,
  metadataOf,
  symlink,
  TreeBuilder,
  walkTree,
} from "@bootc-store/tree";
import { afterAll, describe, expect, test } from "vitest";

import { OstreeBackend, type RepoMode } from "../src/index.ts";
import { MODES } from "./interop/helpers.ts";

const lab = openLab();
afterAll(() => lab.close());

const NO_CONTENTS = {
  openContent(): never {
    throw new Error("this tree has its contents with it");
  },
};

function smallTree(seed: string): Parameters<OstreeBackend["writeTree"]>[0] {
  const builder = new TreeBuilder();
  builder.addDirectory(utf8("/usr"), metadataOf("directory"));
  builder.addLeaf(utf8("/usr/file"), inlineFile(metadataOf("file"), Buffer.from(`${seed}\n`.repeat(500))));
  builder.addLeaf(utf8("/usr/empty"), inlineFile(metadataOf("file"), new Uint8Array(0)));
  builder.addLeaf(utf8("/usr/link"), symlink(metadataOf("symlink"), utf8(`to-${seed}`)));
  return { tree: builder.finish(), contents: NO_CONTENTS };
}

function contractStore(mode: RepoMode, path: string): ContractStore {
  mkdirSync(join(path, "repo"));
  const backend = OstreeBackend.ensure(Dir.openHost(utf8(join(path, "repo"))), { mode });
  let stray = "";
  const common = { timestamp: 1, fsync: false };
  return {
    backend,
    async fill() {
      await backend.writeTree(smallTree("kept"), { branch: "kept/branch", ...common });
    },
    async damage() {
      const objects = join(path, "repo/objects");
      const all = readdirSync(objects, { recursive: true, encoding: "utf8" });
      const name = all.find((each) => each.endsWith(".dirtree")) as string;
      writeFileSync(join(objects, name), "damaged");
      return [name.replace("/", "").slice(0, 64)];
    },
    async leaveGarbage() {
      stray = (await backend.writeTree(smallTree("stray"), { parent: null, ...common })).id;
    },
    async revive() {
      backend.repo.refs.write({ kind: "heads" }, "revived", stray);
    },
    async fingerprint() {
      return execFileSync("find", [path, "-printf", "%P %y %l %s %m %T@\\n"], { encoding: "utf8" })
        .split("\n")
        .sort()
        .join("\n");
    },
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
    },
  };
}

for (const mode of MODES) {
  describeScenarios(
    `the contract in ${mode}`,
    contractScenarios(`ostree/${mode}`, {}, async (t) => contractStore(mode, t.scratch)),
    {
      async scratch() {
        const path = mkdtempSync(join(tmpdir(), "bootc-store-ostree-"));
        return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
      },
    },
  );
}

const why = lab.missing({ root: true, peers: ["ostree"] });

describe.skipIf(why !== undefined)(`trees of commits ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  test.each(MODES)(
    "what ostree has committed into %s comes out, and in again under the same checksum",
    async (mode) => {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      mkdirSync(join(cwd, "t/dir/below"), { recursive: true });
      writeFileSync(join(cwd, "t/big"), Buffer.alloc(3_000_000, "big"));
      writeFileSync(join(cwd, "t/dir/small"), "small");
      writeFileSync(join(cwd, "t/empty"), "");
      symlinkSync("../big", join(cwd, "t/dir/link"));
      linkSync(join(cwd, "t/dir/small"), join(cwd, "t/dir/below/twin"));
      chownSync(join(cwd, "t/big"), 5, 6);
      chmodSync(join(cwd, "t/dir"), 0o1750);
      await lab.peers.setfattr.run(["-n", "user.x", "-v", "y", "t/dir/small"], { cwd });
      await lab.peers.ostree.succeed(["--repo=r", "init", `--mode=${mode}`], { cwd });
      const committed = await lab.peers.ostree.succeed(
        ["--repo=r", "commit", "-b", "m", "--timestamp=@7", "--no-bindings", "--tree=dir=t"],
        { cwd },
      );
      const checksum = Buffer.from(committed.stdout).toString().trim();

      await using from = OstreeBackend.open(Dir.openHost(utf8(join(cwd, "r"))));
      const { tree, contents } = await from.readTree("m");
      const names = Array.from(walkTree(tree), ({ path }) => path);
      expect(names).toContain("/dir/below/twin");
      const big = lookup(tree, utf8("/big")) as TreeFile;
      expect(big.size).toBe(3_000_000);
      if (big.content.kind !== "external") throw new Error("a content that is not external");
      const content = contents.openContent(big.content, big.size);
      expect(content.file === undefined).toBe(mode === "archive");
      expect(Buffer.concat(await Array.fromAsync(content.read()))).toEqual(Buffer.alloc(3_000_000, "big"));
      expect((tree.root.get("dir" as ByteString) as Directory).metadata.mode & 0o7777).toBe(
        mode === "bare-user-only" ? 0o750 : 0o1750,
      );

      mkdirSync(join(cwd, "again"));
      await using into = OstreeBackend.ensure(Dir.openHost(utf8(join(cwd, "again"))), { mode });
      const written = await into.writeTree(
        { tree, contents },
        { branch: "m", timestamp: 7, bindings: false },
      );
      expect(written).toMatchObject({ id: checksum, created: true });
      expect(written.content.copied.files + written.content.cloned.files).toBeGreaterThan(2);
      await lab.peers.ostree.succeed(["--repo=again", "fsck", "-q"], { cwd });
    },
  );

  test("damage among what is kept: contents below it are not collected", async () => {
    await using scratch = lab.scratch();
    const path = scratch.path;
    await using store = contractStore("bare", path);
    await store.fill();
    await store.leaveGarbage();
    cpSync(join(path, "repo"), join(path, "sound"), { recursive: true });
    const objects = join(path, "repo/objects");
    const { root } = (await (store.backend as OstreeBackend).readTree("kept/branch")).tree;
    expect(root.size).toBe(1);
    const commit = (store.backend as OstreeBackend).repo.refs.read(
      { kind: "heads" },
      "kept/branch",
    ) as string;
    const { tree } = (store.backend as OstreeBackend).repo.readCommit(commit);
    rmSync(join(objects, tree.slice(0, 2), `${tree.slice(2)}.dirtree`));
    const plan = await store.backend.planGc();
    expect(plan.garbage.map(({ kind }) => kind)).toEqual(["commit"]);
    await store.backend.applyGc(plan);
    cpSync(join(path, "sound/objects", tree.slice(0, 2)), join(objects, tree.slice(0, 2)), {
      recursive: true,
    });
    await lab.peers.ostree.succeed(["--repo=repo", "fsck", "-q"], { cwd: path });
    const later = await store.backend.planGc();
    expect(later.garbage.length).toBeGreaterThan(2);
    await store.backend.applyGc(later);
    await lab.peers.ostree.succeed(["--repo=repo", "fsck", "-q"], { cwd: path });
  });
});
