/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// One repository, two programs: random images pulled by ours and by cfsctl, in turns and at the same time.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

import { openLab } from "@bootc-store/lab";
import { createPool } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { cfsctl } from "../src/drop-ins/index.ts";
import { makeLayout } from "./random-layout.ts";
import { runTool, type ToolRun } from "./tool-context.ts";

const FIXTURES = join(import.meta.dirname, "../../../../shared/fixtures/composefs-repo");
const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const SEED = Number(
  process.env["BOOTC_STORE_SEED"] ?? (process.env["CI"] === undefined ? 20_261 : Date.now() % 1_000_000),
);

const lab = openLab();
const pool = createPool();
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});

async function ours(...argv: string[]): Promise<ToolRun> {
  return await runTool(cfsctl, argv, { cwd: "/", pool });
}

async function theirs(...argv: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { code, text, errorText } = await lab.peers.cfsctl.run(argv);
  return { code, out: text, err: errorText };
}

/** Streams and images by name, with what they lead to; manifests are not the same twice. */
function links(repository: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ["images", "streams"]) {
    for (const name of existsSync(join(repository, folder)) ? readdirSync(join(repository, folder)) : []) {
      if (name === "refs") continue;
      const target = name.startsWith("oci-manifest-") ? "" : readlinkSync(join(repository, folder, name));
      found.set(`${folder}/${name}`, target);
    }
  }
  return found;
}

async function expectSound(repository: string, what: string): Promise<void> {
  for (const command of [["fsck"], ["oci", "fsck"]]) {
    const mine = await ours("--repo", repository, ...command);
    expect([what, mine.code, mine.out.toString()]).toEqual([what, 0, expect.stringContaining("status: ok")]);
    const other = await theirs("--repo", repository, ...command);
    expect([what, other.code, other.out]).toEqual([what, 0, expect.stringContaining("status: ok")]);
  }
}

/** Each of the four kinds of repositories in turn: the hash, and the format of its images. */
function kindOf(number: number): readonly [hash: string, erofs: string] {
  return [number % 2 === 0 ? "sha256" : "sha512", number % 4 < 2 ? "1" : "2"];
}

describe.skipIf(!lab.peers.cfsctl.available)("with cfsctl", () => {
  test("random images, in turns: the same streams and images", async () => {
    const count = LONG ? 300 : 4;
    await using scratch = await lab.scratch();
    for (let at = 0; at < count; at++) {
      const [hash, erofs] = kindOf(at);
      const seed = SEED + at;
      const place = join(scratch.path, String(at));
      mkdirSync(place);
      await makeLayout(join(place, "layout"), seed);
      const repositories = [join(place, "ours"), join(place, "theirs")] as const;
      const init = ["init", "--insecure", "--algorithm", `fsverity-${hash}-12`, "--erofs-version", erofs];
      expect((await ours(...init, repositories[0])).code).toBe(0);
      expect((await theirs(...init, repositories[1])).code).toBe(0);
      const pull = [
        "oci",
        "pull",
        `oci:${join(place, "layout")}:v1`,
        "x",
        ...(at % 3 === 0 ? [] : ["--bootable"]),
      ];
      // Each pulls into the repository that the other made.
      const mine = await ours("--repo", repositories[1], ...pull);
      const other = await theirs("--repo", repositories[0], ...pull);
      const said = (text: string): string => text.replace(/^verity .*\n/m, "");
      expect([seed, mine.code, mine.err, said(mine.out.toString())]).toEqual([
        seed,
        other.code,
        other.err,
        said(other.out),
      ]);
      expect([seed, links(repositories[1])]).toEqual([seed, links(repositories[0])]);
      for (const repository of repositories) await expectSound(repository, `seed ${seed}`);
      // Once more by the other one, which finds everything there.
      expect((await theirs("--repo", repositories[1], ...pull)).out).toContain(" 0 B stored, 0 B inlined");
      expect((await ours("--repo", repositories[0], ...pull)).out.toString()).toContain(
        " 0 B stored, 0 B inlined",
      );
      expect((await ours("--repo", repositories[0], "gc")).code).toBe(0);
      expect((await theirs("--repo", repositories[1], "gc")).code).toBe(0);
      for (const repository of repositories) await expectSound(repository, `seed ${seed} after gc`);
      spawnSync("rm", ["-rf", place]);
    }
  }, 1_200_000);

  test("four processes at once, and collections meanwhile", async () => {
    const rounds = LONG ? 8 : 1;
    for (let round = 0; round < rounds; round++) {
      const [hash, erofs] = kindOf(round);
      await using scratch = await lab.scratch();
      const repository = join(scratch.path, "repository");
      const init = [
        "init",
        "--insecure",
        "--algorithm",
        `fsverity-${hash}-12`,
        "--erofs-version",
        erofs,
        repository,
      ];
      expect((await (round % 2 === 0 ? ours(...init) : theirs(...init))).code).toBe(0);
      const layouts: string[] = [];
      for (let at = 0; at < 6; at++) {
        layouts.push(join(scratch.path, `layout${at}`));
        await makeLayout(layouts[at] ?? "", SEED + 1000 + round * 6 + at);
      }
      // Everybody pulls everything, each in another order; two of them collect in between.
      const lane = async (number: number): Promise<void> => {
        for (let at = 0; at < layouts.length; at++) {
          const which = (at * (number + 1) + number) % layouts.length;
          const pull = [
            "--repo",
            repository,
            "oci",
            "pull",
            `oci:${layouts[which] ?? ""}:v1`,
            `${number}-${which}`,
            "--bootable",
          ];
          await succeed(number % 2 === 0, pull);
          if (number >= 2 && at % 2 === 1) await succeed(number % 2 === 0, ["--repo", repository, "gc"]);
        }
      };
      await Promise.all([0, 1, 2, 3].map(lane));
      await expectSound(repository, `round ${round}`);
      const listed = await theirs("--repo", repository, "oci", "images", "--json");
      const names = (JSON.parse(listed.out) as { images: { name: string }[] }).images.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      for (const name of names) {
        const id = ["--repo", repository, "oci", "compute-id", name, "--bootable"];
        expect([name, (await ours(...id)).out.toString()]).toEqual([name, (await theirs(...id)).out]);
      }
      expect((await ours("--repo", repository, "gc")).code).toBe(0);
      await expectSound(repository, `round ${round} after gc`);
    }
  }, 1_200_000);
});

/** Runs a process of ours or theirs that has to succeed. */
async function succeed(mine: boolean, argv: readonly string[]): Promise<void> {
  if (!mine) {
    await lab.peers.cfsctl.succeed(argv);
    return;
  }
  const program = join(import.meta.dirname, "programs/cfsctl.ts");
  const child = spawn(process.execPath, ["--conditions=@bootc-store/source", program, ...argv]);
  const said: Buffer[] = [];
  child.stderr.on("data", (part: Buffer) => said.push(part));
  child.stdout.resume();
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${Buffer.concat(said).toString()}`);
}

/** Faulty layouts, with what cfsctl 0.9.4 did: an exit code, or 124 where it did not end. */
describe.skipIf(!existsSync(FIXTURES))("faulty layouts (needs ../shared)", () => {
  /** What it takes, and should not. */
  const WRONG = new Set(["flipped-plain-blob", "wrong-diff-id", "name-256", "long-xattr-key"]);
  /** What it refuses, and need not. */
  const FINE = new Set(["negative-mtime-pax -"]);
  const rows = existsSync(FIXTURES)
    ? readFileSync(join(FIXTURES, "layouts-bad.tsv"), "utf8")
        .trimEnd()
        .split("\n")
        .slice(1)
        .map((line) => line.split("\t"))
    : [];

  test.each(
    rows.map(([name = "", options = "", exit = ""]): [string, string, number] => [
      name,
      options,
      Number(exit),
    ]),
  )("%s %s", async (name, options, exit) => {
    await using scratch = await lab.scratch();
    expect(spawnSync("tar", ["-xzf", join(FIXTURES, "layouts-bad.tar.gz"), "-C", scratch.path]).status).toBe(
      0,
    );
    const top = readdirSync(scratch.path).includes(name)
      ? scratch.path
      : join(scratch.path, readdirSync(scratch.path)[0] ?? "");
    const repository = join(scratch.path, "repository");
    await ours("init", "--insecure", repository);
    const more = options === "-" ? [] : [options];
    const { code, err } = await ours(
      "--repo",
      repository,
      "oci",
      "pull",
      `oci:${join(top, name)}:v1`,
      "x",
      ...more,
    );
    const refused = (WRONG.has(name) || exit !== 0) && !FINE.has(`${name} ${options}`);
    expect([err, code]).toEqual([err, refused ? 1 : 0]);
    // Whatever became of it, the repository is sound, and nothing is tagged that is not whole.
    const checked = await ours("--repo", repository, "oci", "fsck");
    expect([checked.code, checked.out.toString()]).toEqual([
      0,
      expect.stringContaining(code === 0 ? "oci images: 1/1 ok" : "oci images: 0/0 ok"),
    ]);
  });
});
