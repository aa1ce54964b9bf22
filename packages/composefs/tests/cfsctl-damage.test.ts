/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The stand-in for cfsctl on damaged repositories: what it says of each is what cfsctl 0.9.4 said.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { openLab } from "@bootc-store/lab";
import { createPool } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { cfsctl } from "../src/drop-ins/index.ts";
import { damage, type DamageOp } from "./damage.ts";
import { runTool } from "./tool-context.ts";

const FIXTURES = join(import.meta.dirname, "../../../../shared/fixtures/composefs-repo");

const lab = openLab();
const pool = createPool();
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});

interface RecordedCase {
  readonly case?: string;
  readonly ops?: readonly DamageOp[];
  readonly runs?: readonly {
    readonly argv?: readonly string[];
    readonly exit?: number;
    readonly stdout?: string;
    readonly stderr?: string;
  }[];
}

/** Where ours finds more than theirs, or collects where theirs ends half way. */
const MORE: ReadonlySet<string> = new Set([
  "config-stream-truncated", // bodies of streams that are not whole
  "image-bad-magic", // a collection does not go by images that cannot be read
  "image-bad-superblock",
  "image-flip-late", // every byte of an image is looked at
  "image-object-missing",
  "image-truncated",
  "meta-other-algorithm",
  "object-bad-name", // a stray file does not end a collection
  "object-is-directory",
  "object-upper-case-name",
  "object-wrong-length-name",
  "stream-link-absolute",
  "stream-link-into-other-name",
  "stream-truncated-body",
]);

/** What the findings of a text are about: a path of the repository, or the tag of an image. */
function placesOf(text: string): string[] {
  return [...text.matchAll(/fsck: [a-z-]+: (.+?)(?=: |"?$)/gm)].map(([, place = ""]) => place);
}

describe.skipIf(!existsSync(FIXTURES))("damage (needs ../shared)", () => {
  const cases = existsSync(FIXTURES)
    ? readFileSync(join(FIXTURES, "damaged/damaged.jsonl"), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as RecordedCase)
        .filter((each) => each.case !== undefined)
    : [];

  test.each(cases.map((each): [string, RecordedCase] => [each.case ?? "", each]))(
    "%s",
    async (name, { ops = [], runs = [] }) => {
      await using scratch = await lab.scratch();
      expect(
        spawnSync("tar", ["-xzf", join(FIXTURES, "damaged/base.tar.gz"), "-C", scratch.path]).status,
      ).toBe(0);
      const [only = ""] = readdirSync(scratch.path);
      const repository = join(scratch.path, only);
      for (const op of ops) damage(repository, op);
      const failures: string[] = [];
      for (const command of ["fsck", "fsck --metadata-only", "fsck --json", "oci fsck", "gc -n"]) {
        const recorded = runs.find(({ argv = [] }) => argv.slice(3).join(" ") === command);
        if (recorded === undefined) continue;
        const ours = await runTool(cfsctl, ["--repo", repository, ...command.split(" ")], { cwd: "/", pool });
        const lines = (text: string): string =>
          text.replaceAll(repository, "$REPO").replaceAll(/,$/gm, "").split("\n").sort().join("\n");
        // What a collection says of why it does not run is in our words beyond what its links show.
        const collection = command.startsWith("gc");
        const got = `${ours.code} ${collection ? "" : lines(ours.out.toString())}`;
        const wanted = `${recorded.exit ?? ""} ${collection ? "" : lines(recorded.stdout ?? "")}`;
        if (MORE.has(name)) {
          // What theirs finds is found, at the same place; only a collection may go on.
          if (collection) continue;
          expect(ours.code).toBeGreaterThanOrEqual(recorded.exit ?? 0);
          const named = new Set(placesOf(got));
          expect(placesOf(wanted).filter((place) => !named.has(place))).toEqual([]);
          continue;
        }
        if (got !== wanted) failures.push(`${command}\n--- wanted ${wanted}\n--- got ${got}`);
      }
      expect(failures.join("\n")).toBe("");
    },
  );
});
