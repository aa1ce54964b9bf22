/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Exports beside ostree's, byte for byte. `BOOTC_STORE_LONG=1`: that of the operating system too, and commits of its tar.
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { findOsTree, openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";

import { inside } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree"] });

describe.skipIf(why !== undefined)(`exports ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  async function ours(cwd: string, ...argv: string[]): Promise<string> {
    const { code, out, err } = await runOurs(cwd, argv);
    expect([argv, code, err]).toEqual([argv, 0, ""]);
    return out;
  }

  async function theirs(cwd: string, ...argv: string[]): Promise<Buffer> {
    return Buffer.from((await lab.peers.ostree.succeed(argv, { cwd, timeout: 600_000 })).stdout);
  }

  it("long names and targets, hard links, to a file and to the standard output", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    const long = `source/${"d".repeat(60)}/${"e".repeat(60)}`;
    mkdirSync(inside(cwd, long), { recursive: true });
    for (const name of ["f", "g".repeat(100)]) writeFileSync(inside(cwd, `${long}/${name}`), name);
    linkSync(inside(cwd, `${long}/f`), inside(cwd, `${long}/again`));
    for (const count of [99, 100, 101, 300])
      symlinkSync("t".repeat(count), inside(cwd, `source/link${count}`));
    for (const count of [93, 94, 99, 100, 101])
      writeFileSync(inside(cwd, `source/${"n".repeat(count)}`), "same");
    await ours(cwd, "--repo=repo", "init", "--mode=bare");
    await ours(cwd, "--repo=repo", "commit", "-b", "m", "--timestamp=@7", "--tree=dir=source");
    for (const more of [[], ["--prefix=p/q/"], ["--no-xattrs"]]) {
      await ours(cwd, "--repo=repo", "export", ...more, "-o", "ours.tar", "m");
      await theirs(cwd, "--repo=repo", "export", ...more, "-o", "theirs.tar", "m");
      const [a, b] = ["ours.tar", "theirs.tar"].map((name) => readFileSync(inside(cwd, name)));
      expect([more, a?.equals(b as Buffer)]).toEqual([more, true]);
      const out = Buffer.from(await ours(cwd, "--repo=repo", "export", ...more, "m"));
      expect([more, out.equals(await theirs(cwd, "--repo=repo", "export", ...more, "m"))]).toEqual([
        more,
        true,
      ]);
    }
  });

  it.skipIf(!LONG)(
    "an operating system (with BOOTC_STORE_LONG=1)",
    async () => {
      const tree = findOsTree("os", lab.cache.root);
      if (tree === undefined) throw new Error("there is no tree of an operating system; a bench makes it");
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      await ours(cwd, "--repo=repo", "init", "--mode=bare");
      await ours(cwd, "--repo=repo", "commit", "-b", "m", "--timestamp=@7", `--tree=dir=${tree.root}`);
      await ours(cwd, "--repo=repo", "export", "-o", "ours.tar", "m");
      await theirs(cwd, "--repo=repo", "export", "-o", "theirs.tar", "m");
      execFileSync("cmp", ["ours.tar", "theirs.tar"], { cwd });
      const commit = ["--repo=repo", "commit", "--orphan", "--timestamp=@7", "--tree=tar=ours.tar"];
      expect(await ours(cwd, ...commit)).toBe((await theirs(cwd, ...commit)).toString());
    },
    900_000,
  );
});
