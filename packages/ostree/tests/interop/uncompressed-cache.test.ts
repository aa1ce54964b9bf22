// The cache of an archive, which ostree and ours fill and use in turns.
import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";

import { inside } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree"] });

describe.skipIf(why !== undefined)(`the cache ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  type Run = (argv: readonly string[]) => Promise<string>;

  async function prepare(cwd: string): Promise<{ readonly ours: Run; readonly theirs: Run }> {
    mkdirSync(inside(cwd, "t/dir"), { recursive: true });
    writeFileSync(inside(cwd, "t/a"), "a\n");
    writeFileSync(inside(cwd, "t/dir/b"), "b\n");
    writeFileSync(inside(cwd, "t/empty"), "");
    symlinkSync("a", inside(cwd, "t/link"));
    chmodSync(inside(cwd, "t/a"), 0o4711);
    const theirs: Run = async (argv) =>
      Buffer.from((await lab.peers.ostree.succeed(["--repo=r", ...argv], { cwd })).stdout).toString();
    const ours: Run = async (argv) => {
      const ended = await runOurs(cwd, ["--repo=r", ...argv]);
      expect(ended).toMatchObject({ code: 0, err: "" });
      return ended.out;
    };
    await theirs(["init", "--mode=archive"]);
    await theirs(["commit", "-b", "m", "--timestamp=@1", "--tree=dir=t"]);
    return { ours, theirs };
  }

  /** Files of the cache with their modes and numbers of links. */
  async function cached(cwd: string): Promise<string[]> {
    const { stdout, code } = await lab.peers.find.run(
      ["r/uncompressed-objects-cache", "-type", "f", "-printf", "%P %m %n\\n"],
      { cwd },
    );
    return code === 0 ? Buffer.from(stdout).toString().split("\n").filter(Boolean).sort() : [];
  }

  it("is filled alike and shared", async () => {
    const filled: string[][] = [];
    for (const who of ["ours", "theirs"] as const) {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      const run = await prepare(cwd);
      await run[who](["checkout", "-U", "m", "one"]);
      filled.push(await cached(cwd));
      await run[who === "ours" ? "theirs" : "ours"](["checkout", "-U", "m", "two"]);
      expect(statSync(inside(cwd, "two/a")).ino).toBe(statSync(inside(cwd, "one/a")).ino);
      expect(statSync(inside(cwd, "two/dir/b")).nlink).toBe(3);
      await run.theirs(["fsck", "-q"]);
    }
    expect(filled[0]).toEqual(filled[1]);
    expect(filled[0]).toHaveLength(2);
  });

  it.each(["--disable-cache", "--union-add", "--force-copy", "--whiteouts", "--bareuseronly-dirs"])(
    "is not used with %s",
    async (option) => {
      for (const who of ["ours", "theirs"] as const) {
        await using scratch = lab.scratch();
        const run = await prepare(scratch.path);
        await run[who](["checkout", "-U", option, "m", "one"]);
        expect(await cached(scratch.path)).toEqual([]);
      }
    },
  );

  it("is not used where the configuration forbids it", async () => {
    await using scratch = lab.scratch();
    const { ours } = await prepare(scratch.path);
    appendFileSync(inside(scratch.path, "r/config"), "enable-uncompressed-cache=false\n");
    await ours(["checkout", "-U", "m", "one"]);
    expect(await cached(scratch.path)).toEqual([]);
  });

  it("loses what no checkout has any more", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    const { ours } = await prepare(cwd);
    await ours(["checkout", "-U", "m", "one"]);
    const [first = ""] = await cached(cwd);
    const shard = first.slice(0, 2);
    const stale = `r/uncompressed-objects-cache/${shard}/${"0".repeat(62)}.file`;
    writeFileSync(inside(cwd, stale), "stale");
    rmSync(inside(cwd, "one"), { recursive: true });
    await ours(["checkout", "-U", "m", "one"]);
    expect(await cached(cwd)).toHaveLength(2);
    expect(await cached(cwd)).not.toContainEqual(expect.stringContaining("00000"));
  });
});
