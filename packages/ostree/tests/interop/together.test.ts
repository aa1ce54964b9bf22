/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// ostree and ours on one repository at the same time, six processes that commit, prune, check, check out, pull and delete
// refs: nobody fails in a way that ostree alone would not, and the repository is sound in the end.
// `BOOTC_STORE_LONG=1`: for 10 minutes.

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { openLab, run, type RunResult } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { fillSource, random } from "./random-source.ts";

const PROGRAM = fileURLToPath(new URL("program.ts", import.meta.url));
const MINUTES = process.env["BOOTC_STORE_LONG"] === "1" ? 10 : 0.25;
const PROCESSES = 6;

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["ostree"] });
afterAll(() => lab.close());

/** What happens when somebody else was faster: a ref or a commit that is gone, or has only just been replaced. */
const TOO_LATE =
  /Refspec '[^']*' not found|No such metadata object|Couldn't find file object|No such file or directory|not found|File exists/;

/**
 * ostree's check holds no lock, and calls it corruption when a commit that it has read is pruned meanwhile, whole or in part.
 * The commits that it says so of have to be gone in the end.
 */
function withoutGone(said: string, gone: Set<string>): string {
  return said
    .replaceAll(/^Object missing in commits (\w+): \w+\.\w+\n/gm, (_, commit: string) => {
      gone.add(commit);
      return "";
    })
    .replaceAll(/^Marking commit as partial: \w+\n/gm, "")
    .replaceAll(/^(?:error: Repository corruption encountered|fsck objects .*)\n/gm, "");
}

describe.skipIf(missing !== undefined)(`together${missing === undefined ? "" : ` (${missing})`}`, () => {
  test(
    "commit, prune, fsck, check out, pull and delete at random from six processes",
    async () => {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      const { ostree } = lab.peers;
      const repo = "--repo=repo";
      await ostree.succeed([repo, "init", "--mode=bare"], { cwd });
      await ostree.succeed(["--repo=from", "init", "--mode=bare"], { cwd });
      for (const at of [0, 1, 2, 3]) {
        mkdirSync(join(cwd, `tree${at}`));
        fillSource(join(cwd, `tree${at}`), 100 + at);
        writeFileSync(join(cwd, `tree${at}`, "own"), `${at}`);
      }
      await ostree.succeed(["--repo=from", "commit", "-b", "t0", "--tree=dir=tree0"], { cwd });
      const next = random(Date.now() % 10_000);
      // No digits of a checksum, which a name like b2 might be the beginning of.
      const branch = (): string => `t${next(4)}`;
      const ours = (argv: readonly string[]): Promise<RunResult> =>
        run([process.execPath, "--conditions=@bootc-store/source", PROGRAM, cwd, ...argv], {
          env: { WORKERS: String(next(3)) },
        });
      const theirs = (argv: readonly string[]): Promise<RunResult> => ostree.run([...argv], { cwd });
      let serial = 0;
      const operations: readonly (() => readonly string[])[] = [
        () => [repo, "commit", "-b", branch(), `--tree=dir=tree${next(4)}`],
        () => [repo, "commit", "-b", branch(), `--tree=dir=tree${next(4)}`, "--fsync=false"],
        () => [repo, "prune", "--refs-only", "--depth=0"],
        () => [repo, "prune"],
        () => [repo, "fsck", "-q"],
        () => [repo, "checkout", branch(), `out${serial++}`],
        () => [repo, "checkout", "-H", branch(), `out${serial++}`],
        () => [repo, "refs", "--delete", branch()],
        () => [repo, "refs"],
        () => [repo, "ls", "-R", branch()],
        () => [repo, "pull-local", "from", "t0"],
      ];
      const end = Date.now() + MINUTES * 60_000;
      const counts = { ours: 0, theirs: 0, late: 0 };
      const unexpected: string[] = [];
      const gone = new Set<string>();
      await Promise.all(
        Array.from({ length: PROCESSES }, async (_, process) => {
          while (Date.now() < end && unexpected.length < 5) {
            const argv = (operations[next(operations.length)] as () => readonly string[])();
            const mine = process % 2 === 0;
            const { code, errorText, text } = await (mine ? ours : theirs)(argv);
            counts[mine ? "ours" : "theirs"]++;
            if (code === 0) continue;
            // A check that runs beside a collection sees commits go; it may not see anything damaged.
            const all = errorText + text;
            const said =
              !mine && all.includes("Object missing in commits")
                ? withoutGone(all, gone) || "not found"
                : all;
            if (TOO_LATE.test(said) && !/[Cc]orrupt|checksum expected|invalid/.test(said)) counts.late++;
            else unexpected.push(`${mine ? "ours" : "ostree"} ${argv.join(" ")}: ${code} ${said}`);
          }
        }),
      );
      expect(unexpected).toEqual([]);
      for (const commit of gone)
        expect(existsSync(join(cwd, "repo/objects", commit.slice(0, 2), `${commit.slice(2)}.commit`))).toBe(
          false,
        );
      for (const name of readdirSync(cwd))
        if (name.startsWith("out")) rmSync(join(cwd, name), { recursive: true });
      const check = await ostree.run([repo, "fsck", "-q"], { cwd });
      expect([check.code, check.errorText]).toEqual([0, ""]);
      expect((await ours([repo, "fsck", "-q"])).code).toBe(0);
      // Nobody is left with a lock, and nothing is left of those that have ended.
      await ostree.succeed([repo, "config", "set", "core.lock-timeout-secs", "1"], { cwd });
      await ostree.succeed([repo, "prune", "--refs-only", "--depth=0"], { cwd });
      expect(readdirSync(join(cwd, "repo/tmp")).filter((name) => !/^(cache|staging-.*)$/.test(name))).toEqual(
        [],
      );
      console.log(`${counts.ours} of ours, ${counts.theirs} of ostree's, ${counts.late} of them too late`);
    },
    MINUTES * 60_000 + 240_000,
  );
});
