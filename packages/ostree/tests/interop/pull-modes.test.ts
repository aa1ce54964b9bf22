// What is pulled out of repositories of a mode that is only read, and how objects are synced on the way.
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, it, vi } from "vitest";

import { xattrList } from "../../src/format/xattrs.ts";
import { gvariant } from "../../src/gvariant/index.ts";
import { Repo, type TransactionOptions } from "../../src/index.ts";
import { pullLocal } from "../../src/pull/pull-local.ts";
import { dumpDirectory, inside, makeRepo } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree", "setfattr"] });

async function ours(cwd: string, ...argv: string[]): Promise<string> {
  const { code, out, err } = await runOurs(cwd, argv);
  expect([argv, code, err]).toEqual([argv, 0, ""]);
  return out;
}

async function sourceIn(cwd: string): Promise<void> {
  mkdirSync(inside(cwd, "source/dir"), { recursive: true });
  for (const name of ["a", "dir/b", "dir/same"]) writeFileSync(inside(cwd, `source/${name}`), name.slice(-1));
  writeFileSync(inside(cwd, "source/large"), Buffer.alloc(2 << 20, "large"));
  symlinkSync("a", inside(cwd, "source/link"));
  await ours(cwd, "--repo=repo", "init", "--mode=bare");
}

/**
 * Makes a split repository of a bare one. ostree writes them only when told to by a variable, and then leaves the attributes
 * out, so that its own `fsck` finds every file object missing.
 */
function splitXattrs(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  const config = readFileSync(join(to, "config"), "utf8");
  writeFileSync(join(to, "config"), config.replace("mode=bare\n", "mode=bare-split-xattrs\n"));
  using source = Repo.open(Dir.openHost(utf8(from)));
  for (const shard of readdirSync(join(from, "objects"))) {
    using copy = Dir.openHost(utf8(join(to, "objects", shard)));
    for (const { name } of copy.list()) {
      if (!name.endsWith(".file")) continue;
      const { xattrs } = source.openFile(`${shard}${name.slice(0, -".file".length)}`).info;
      const bytes = gvariant("a(ayay)").encode(xattrList(xattrs));
      const sum = createHash("sha256").update(bytes).digest("hex");
      const attributes = join(to, "objects", sum.slice(0, 2), `${sum.slice(2)}.file-xattrs`);
      mkdirSync(dirname(attributes), { recursive: true });
      if (!existsSync(attributes)) writeFileSync(attributes, bytes);
      linkSync(attributes, join(to, "objects", shard, `${name}-xattrs-link`));
      for (const xattr of copy.listXattrs(name)) copy.removeXattr(name, xattr);
    }
  }
}

describe.skipIf(why !== undefined)(
  `split repositories ${why === undefined ? "" : `(skipped: ${why})`}`,
  () => {
    it("are read as ostree reads them, and not written", async () => {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      await sourceIn(cwd);
      for (const [name, value] of [
        ["user.one", "1"],
        ["user.two", "22"],
      ] as const)
        await lab.peers.setfattr.succeed(["-n", name, "-v", value, "source/dir/b"], { cwd });
      await lab.peers.setfattr.succeed(["-n", "user.one", "-v", "1", "source/large"], { cwd });
      const commit = await ours(
        cwd,
        "--repo=repo",
        "commit",
        "-b",
        "m",
        "--timestamp=@7",
        "--tree=dir=source",
      );
      splitXattrs(inside(cwd, "repo"), inside(cwd, "split"));
      const theirs = lab.peers.ostree;
      for (const argv of [
        ["ls", "-R", "-C", "-X", "m"],
        ["rev-parse", "m"],
        ["refs"],
        ["cat", "m", "/dir/b"],
      ]) {
        const said = (await theirs.succeed(["--repo=split", ...argv], { cwd })).text;
        expect([argv, await ours(cwd, "--repo=split", ...argv)]).toEqual([argv, said]);
      }
      await ours(cwd, "--repo=split", "fsck", "-q");
      for (const mode of ["bare", "bare-user", "archive"]) {
        await ours(cwd, `--repo=${mode}`, "init", `--mode=${mode}`);
        await ours(cwd, `--repo=${mode}`, "pull-local", "--untrusted", "split", "m");
        expect(await ours(cwd, `--repo=${mode}`, "rev-parse", "m")).toBe(commit);
        await theirs.succeed([`--repo=${mode}`, "fsck", "-q"], { cwd });
      }
      await ours(cwd, "--repo=bare", "checkout", "-C", "m", "from-bare");
      expect(dumpDirectory(inside(cwd, "from-bare"))).toContain("user.two");
      const refused = await runOurs(cwd, ["--repo=split", "commit", "-b", "n", "--tree=dir=source/dir"]);
      const theirRefusal = await theirs.run(["--repo=split", "commit", "-b", "n", "--tree=dir=source/dir"], {
        cwd,
      });
      expect([refused.code, refused.err.includes("Not allowed due to repo mode")]).toEqual([1, true]);
      expect([theirRefusal.code, theirRefusal.errorText.includes("Not allowed due to repo mode")]).toEqual([
        1,
        true,
      ]);
    });
  },
);

describe.skipIf(why !== undefined)(`syncs ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  it.each([
    ["by the config", [], "none", true],
    ["each object by itself", ["--per-object-fsync"], "data-and-directories", false],
    ["nothing", ["--disable-fsync"], "none", false],
  ] as const)("%s", async (_, flags, sync, staged) => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    await sourceIn(cwd);
    await ours(cwd, "--repo=repo", "commit", "-b", "m", "--timestamp=@7", "--tree=dir=source");
    await ours(cwd, "--repo=into", "init", "--mode=archive");
    await ours(cwd, "--repo=into", "pull-local", ...flags, "repo", "m");
    await lab.peers.ostree.succeed(["--repo=into", "fsck", "-q"], { cwd });

    using from = makeRepo(inside(cwd, "empty"), "bare");
    using into = makeRepo(inside(cwd, "other"), "bare");
    const begin = into.begin.bind(into);
    const places: { sync: string; staged: boolean }[] = [];
    vi.spyOn(into, "begin").mockImplementation(async (options?: TransactionOptions) => {
      const transaction = await begin(options);
      places.push({ sync: transaction.places.sync, staged: transaction.places.staging !== undefined });
      return transaction;
    });
    await pullLocal(from, into, {
      ...(flags[0] === "--per-object-fsync" ? { perObjectFsync: true } : {}),
      ...(flags[0] === "--disable-fsync" ? { fsync: false } : {}),
    });
    expect(places).toEqual([{ sync, staged }]);
  });
});
