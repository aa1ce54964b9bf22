// libselinux itself as the judge of `LabelPolicy`: random policies, random paths.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

import { type ByteString, isStoreError } from "@bootc-store/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type InodeKind, LabelPolicy, type PolicyFiles, TYPE_BITS } from "../src/index.ts";

const SCRIPT = fileURLToPath(new URL("helpers/selabel.py", import.meta.url));

type Files = { readonly [suffix: string]: string };
type Question = readonly [path: string, kind: InodeKind];

function ask(files: Files, questions: readonly Question[]): (string | null)[] {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "file-contexts-"));
  try {
    for (const [suffix, text] of Object.entries(files)) {
      fs.writeFileSync(path.join(dir, `file_contexts${suffix}`), text, "latin1");
    }
    const input = questions.map(([name, kind]) => JSON.stringify([name, TYPE_BITS[kind]])).join("\n");
    const run = spawnSync("python3", [SCRIPT, path.join(dir, "file_contexts")], { input, encoding: "utf8" });
    if (run.status !== 0) throw new Error(run.stderr);
    return run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as string | null);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

function whyNot(): string | undefined {
  try {
    ask({ "": "/a u:r:t:s0\n" }, [["/a", "file"]]);
    return undefined;
  } catch (error) {
    return `no libselinux to ask: ${String(error).slice(0, 120)}`;
  }
}

const unable = whyNot();

const component = fc.constantFrom(
  "usr",
  "lib",
  "lib64",
  "a.b",
  "x",
  "y+z",
  "etc",
  "foo",
  "foobar",
  "[q]",
  "a b",
  "n\nl",
  "ÿ",
  "n\n",
);
const pathOf = fc.array(component, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`);
const kind = fc.constantFrom<InodeKind>("file", "directory", "symlink", "char", "block", "fifo", "socket");

const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("/usr", "/lib", "/etc", "/foo", "/x", "/a\\.b", "/y\\+z", "\\[q\\]", "/"),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "(/.*)?",
      "/.*",
      "/[^/]*",
      "/[^/]+",
      "(64)?",
      "/(foo|x)",
      "/lib(64)?",
      "/foo.*",
      "bar",
      "/.",
      "[a-f.]{3}",
      "/(usr/)?lib",
      "\\.b",
      "/\\w+",
      "/x$",
      "\\s",
      "(/[^/]+)*",
      "/(?!foo)[a-z]+",
      "/.*(?<!bar)",

      "/\\d*",
    ),
  },
);
const specifier = fc.constantFrom("", "", "", "\t--", "\t-d", "\t-l", "\t-c", "\t-b", "\t-p", "\t-s");
const line = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 4 }), specifier, fc.nat(5))
  .map(
    ([pieces, kindText, context]) =>
      `${pieces.join("")}${kindText}\t${context === 0 ? "<<none>>" : `u:r:t${context}:s0`}`,
  );

/** libselinux refuses or warns about a line that is given twice, as policies do not have it. */
const contexts = fc
  .uniqueArray(line, {
    minLength: 8,
    maxLength: 30,
    selector: (text) => text.split("\t").slice(0, -1).join("\t"),
  })
  .map((lines) => `# a comment\n\n${lines.join("\n")}\n`);
const substitutions = fc
  .array(
    fc.tuple(
      fc.constantFrom("/usr/lib64", "/foo", "/etc/x", "/a.b"),
      fc.constantFrom("/usr/lib", "/usr", "/", "/etc"),
    ),
    { maxLength: 3 },
  )
  .map((pairs) => pairs.map((pair) => pair.join(" ")).join("\n"));

function policyOf(files: PolicyFiles): LabelPolicy | undefined {
  try {
    return new LabelPolicy(files, "libselinux");
  } catch (error) {
    if (isStoreError(error, "tree/label-regex-unsupported")) return undefined;
    throw error;
  }
}

describe.skipIf(unable !== undefined)(`LabelPolicy and libselinux (${unable ?? "here"})`, () => {
  test("give random paths the same labels", () => {
    let labelled = 0;
    fc.assert(
      fc.property(
        contexts,
        contexts,
        contexts,
        substitutions,
        substitutions,
        fc.array(fc.tuple(pathOf, kind), { minLength: 20, maxLength: 60 }),
        (base, homedirs, local, subs, dist, questions) => {
          const files = {
            "": base,
            ".homedirs": homedirs,
            ".local": local,
            ".subs": subs,
            ".subs_dist": dist,
          };
          const bytes = (text: string): ByteString => text as ByteString;
          const policy = policyOf({
            fileContexts: bytes(base),
            homedirs: bytes(homedirs),
            local: bytes(local),
            subs: bytes(subs),
            subsDist: bytes(dist),
          });
          // Look-around beside many repeats is refused when the policy is read.
          fc.pre(policy !== undefined);
          const wanted = ask(files, questions);
          const ours = questions.map(([name, of]) => policy?.labelOf(bytes(name), of) ?? null);
          expect(ours).toEqual(wanted);
          labelled += ours.filter((context) => context !== null).length;
        },
      ),
      { numRuns: 60, endOnFailure: true },
    );
    expect(labelled).toBeGreaterThan(600);
  }, 120_000);
});
