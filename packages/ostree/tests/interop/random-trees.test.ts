/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Random directories through ours and ostree: one checksum, each checks what the other wrote, checkouts are the same with
// all their metadata, and pulls between repositories of two modes end alike. `BOOTC_STORE_LONG=1`: 1,000 of them.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";

import { dumpDirectory as dump, inside, MODES } from "./helpers.ts";
import { fillSource } from "./random-source.ts";
import { runOurs } from "./stand-in.ts";

const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const COUNT = LONG ? 1000 : 8;

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree"] });

describe.skipIf(why !== undefined)(`random trees ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  async function theirs(cwd: string, ...argv: string[]): Promise<string> {
    const { stdout } = await lab.peers.ostree.succeed(argv, { cwd });
    return Buffer.from(stdout).toString();
  }

  async function ours(cwd: string, ...argv: string[]): Promise<string> {
    const { code, out, err } = await runOurs(cwd, argv);
    expect([argv, code, err]).toEqual([argv, 0, ""]);
    return out;
  }

  async function once(seed: number): Promise<void> {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    const mode = MODES[seed % MODES.length] as (typeof MODES)[number];
    const other = MODES[Math.floor(seed / 4) % MODES.length] as (typeof MODES)[number];
    mkdirSync(inside(cwd, "source"));
    fillSource(inside(cwd, "source"), seed, { large: LONG ? seed % 50 === 0 : seed === 5 });
    await ours(cwd, "--repo=a", "init", `--mode=${mode}`);
    await theirs(cwd, "--repo=b", "init", `--mode=${mode}`);
    const canonical = mode === "bare-user-only" ? ["--canonical-permissions"] : [];
    const commit = [
      "commit",
      "-b",
      "m",
      "--timestamp=@1000000000",
      "--fsync=false",
      ...canonical,
      "--tree=dir=source",
    ];
    const checksum = await ours(cwd, "--repo=a", ...commit);
    expect([seed, mode, checksum]).toEqual([seed, mode, await theirs(cwd, "--repo=b", ...commit)]);
    await theirs(cwd, "--repo=a", "fsck", "-q");
    await ours(cwd, "--repo=b", "fsck", "-q");

    const user = mode === "bare" || mode === "archive" ? [] : ["-U"];
    await ours(cwd, "--repo=b", "checkout", ...user, "m", "co-ours");
    await theirs(cwd, "--repo=a", "checkout", ...user, "m", "co-theirs");
    expect([seed, dump(inside(cwd, "co-ours"))]).toEqual([seed, dump(inside(cwd, "co-theirs"))]);

    // What bare-user-only cannot hold, both refuse, so that only pulls into the others are compared.
    const into = other === "bare-user-only" && mode !== "bare-user-only" ? "archive" : other;
    for (const repo of ["pa", "pb"]) await ours(cwd, `--repo=${repo}`, "init", `--mode=${into}`);
    const pulled = await runOurs(cwd, ["--repo=pa", "pull-local", "b", "m"]);
    const real = await lab.peers.ostree.run(["--repo=pb", "pull-local", "a", "m"], { cwd });
    expect([seed, pulled.code, pulled.out]).toEqual([seed, real.code, Buffer.from(real.stdout).toString()]);
    await theirs(cwd, "--repo=pa", "fsck", "-q");
    await ours(cwd, "--repo=pb", "fsck", "-q");
    expect(objects(inside(cwd, "pa"))).toBe(objects(inside(cwd, "pb")));
  }

  /** Names and sizes of all objects; compressed ones are not compared by size, since compressors differ. */
  function objects(repo: string): string {
    return execFileSync(
      "find",
      ["objects", "-type", "f", "-printf", "%P %s\\n", "-o", "-type", "l", "-printf", "%P\\n"],
      {
        cwd: repo,
        encoding: "utf8",
      },
    )
      .replace(/\.filez \d+$/gm, ".filez")
      .split("\n")
      .sort()
      .join("\n");
  }

  it(
    `${COUNT} trees`,
    async () => {
      for (let seed = 1; seed <= COUNT; seed++) {
        await once(seed);
        if (seed % 50 === 0) console.log(`${seed} of ${COUNT} trees`);
      }
    },
    LONG ? 7_200_000 : 180_000,
  );
});
