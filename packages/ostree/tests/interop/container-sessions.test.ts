// Recorded sessions of the container commands, through the stand-in: what it prints, its exit codes, and the refs after.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openLab } from "@bootc-store/lab";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import { IMAGE_PREFIX, imageRefOf, unescapeFromRef } from "../../src/container/index.ts";
import { makeRepo } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const RECORDED = join(import.meta.dirname, "../../../../../shared/fixtures/ostree-container");

interface Step {
  readonly cmd?: string;
  readonly rc?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly note?: string;
  readonly dump?: string;
  readonly refs?: Readonly<Record<string, string>>;
  readonly commits?: Readonly<Record<string, { readonly "commitmeta-base64"?: string }>>;
  readonly "file-written-by-check"?: string;
}

const lab = openLab();
afterAll(() => lab.close());

let top = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "bootc-store-sessions-"));
  mkdirSync(join(top, "w"));
  if (existsSync(RECORDED)) cpSync(join(RECORDED, "oci"), join(top, "oci"), { recursive: true });
  writeFileSync(join(top, "policy.json"), `{"default":[{"type":"insecureAcceptAnything"}]}`);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

interface Index {
  readonly manifests: { readonly annotations: Record<string, string> }[];
}
const NAME = "org.opencontainers.image.ref.name";

/** Points a tag of a layout at what another tag names. */
function retag(layout: string, tag: string, target: string): void {
  const path = join(top, "oci", layout, "index.json");
  const index = JSON.parse(readFileSync(path, "utf8")) as Index;
  const manifests = index.manifests.filter(({ annotations }) => annotations[NAME] !== tag);
  const found = manifests.find(({ annotations }) => annotations[NAME] === target);
  if (found === undefined) throw new Error(`no tag ${target}`);
  manifests.push({ ...found, annotations: { ...found.annotations, [NAME]: tag } });
  writeFileSync(path, JSON.stringify({ ...index, manifests }));
}

/** The recording's paths are those of another machine. */
const localized = (text: string): string => text.replaceAll(/(?<=[: =])\/(oci|w)\//g, `${top}/$1/`);
const recorded = (text: string): string =>
  text.replaceAll(top, "").replaceAll(`_2F_${top.slice(1)}/`, "_2F_");

const ENV = (): Record<string, string> => ({
  SOURCE_DATE_EPOCH: "1700000000",
  CONTAINERS_POLICY_JSON: join(top, "policy.json"),
});

function words(text: string): string[] {
  return (text.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^'(.*)'$/s, "$1"));
}

const missing = existsSync(RECORDED) ? lab.missing({ root: true, peers: ["ostree"] }) : "no recordings";

describe.skipIf(missing !== undefined)(`recorded sessions (${missing ?? "replayed"})`, () => {
  /** Commands whose result depends on what this project leaves out or refuses, by what the recording says. */
  const other = (cmd: string): boolean =>
    /oci-archive:|dir:\/w|nosuchrepo|reexport|replace-detached|tar (?:im|ex)port/.test(cmd);

  test.each([
    "seq-upgrade",
    "seq-share",
    "seq-diffid-reuse",
    "seq-samecfg-other-ref",
    "seq-encap-upgrade",
    "seq-copy",
    "seq-unencapsulate",
    "seq-reference-forms",
  ])("%s", async (name) => {
    const { steps } = JSON.parse(readFileSync(join(RECORDED, `seq/${name}.json`), "utf8")) as {
      steps: Step[];
    };
    const repos = { REPO: join(top, "repo"), REPO2: join(top, "repo2") };
    for (const at of Object.values(repos)) makeRepo(at, "bare")[Symbol.dispose]();
    for (const [at, step] of steps.entries()) {
      const where = `step ${at}: ${step.cmd ?? step.dump ?? ""}`;
      const moved = /tag live = ([\w-]+)/.exec(step.note ?? "")?.[1];
      if (moved !== undefined) retag("plain", "live", moved);
      if (step.cmd !== undefined && !other(step.cmd)) await replay(step, repos, where);
      if (step.dump !== undefined && step.refs !== undefined && name !== "seq-reference-forms")
        compareRefs(step, step.dump === "destination" ? repos.REPO2 : repos.REPO, where);
      const written = step["file-written-by-check"];
      if (written !== undefined)
        expect([where, readFileSync(join(top, "w/check.json"), "utf8")]).toEqual([where, written]);
    }
    await lab.peers.ostree.succeed([`--repo=${repos.REPO}`, "fsck", "-q"]);
  });

  async function replay(step: Step, repos: { REPO: string; REPO2: string }, where: string): Promise<void> {
    const argv = words(localized(step.cmd ?? "")).map((word) =>
      word.replace(
        /^((?:--[a-z-]+=)?)(REPO2?)$/,
        (_, option: string, repo: "REPO" | "REPO2") => option + repos[repo],
      ),
    );
    // Upstream pulls such an image without looking at any signature; here it is refused, so it is pulled as what it is.
    const remote = argv.findIndex((word) => word.startsWith("ostree-remote-image:rem:"));
    if (remote >= 0) {
      const refused = await runOurs(top, argv.slice(3), { env: ENV() });
      expect([where, refused.code, refused.err]).toEqual([
        where,
        1,
        expect.stringContaining("cannot be checked"),
      ]);
      argv[remote] = (argv[remote] as string).replace("ostree-remote-image:rem:", "ostree-unverified-image:");
    }
    const own = argv[0] === "ostree" ? argv.slice(1) : argv.slice(3);
    const ended = await runOurs(top, own, { env: ENV() });
    // Upstream panics where an image is there already; here that is no reason to refuse.
    if (step.rc === 101) return;
    const err = recorded(ended.err);
    expect([where, err, ended.code]).toEqual([where, stderrOf(step, err), step.rc]);
    const out = recorded(ended.out);
    if (/image list/.test(step.cmd ?? "")) {
      const sorted = (text: string): string[] => text.split("\n").sort();
      if (!step.stdout?.includes("/w/"))
        expect([where, ...sorted(out)]).toEqual([where, ...sorted(step.stdout ?? "")]);
    } else if (/ostree --repo=\S+ (?:prune|fsck)/.test(step.cmd ?? "")) {
      expect(out).toMatch(/objects|no errors found/);
    } else
      expect([where, out]).toEqual([
        where,
        step.stdout?.replace("ostree-remote-image:rem:", "ostree-unverified-image:"),
      ]);
  }

  /** Where an image cannot be opened upstream shows the words of another program; what is named is the same. */
  function stderrOf({ stderr = "" }: Step, ours: string): string {
    const message = /^error: Preparing import: Fetching manifest: (?!containers-policy)/;
    return message.test(stderr) && message.test(ours) ? ours : stderr;
  }

  function compareRefs(step: Step, path: string, where: string): void {
    using repo = makeRepo(path, "bare");
    const refs = repo.refs.listAll().map(({ ref, checksum }) => [plainRef(ref), checksum]);
    expect([where, Object.fromEntries(refs)]).toEqual([where, step.refs]);
    for (const [commit, { "commitmeta-base64": bytes }] of Object.entries(step.commits ?? {})) {
      const ours = repo.reader.readMetadataOptional(commit, "commitmeta")?.toString("base64");
      if (bytes !== undefined) expect([where, ours]).toEqual([where, bytes]);
    }
  }

  function plainRef(ref: string): string {
    if (!ref.startsWith(`${IMAGE_PREFIX}/`)) return ref;
    return imageRefOf(recorded(unescapeFromRef(ref.slice(IMAGE_PREFIX.length + 1))));
  }
});

describe.skipIf(missing !== undefined)(`commits as images (${missing ?? "and back"})`, () => {
  test("a commit goes out and comes back, an image goes out again", async () => {
    const at = join(top, "repo");
    makeRepo(at, "bare")[Symbol.dispose]();
    const run = async (...argv: string[]) => await runOurs(top, ["container", ...argv], { env: ENV() });
    const from = `ostree-unverified-image:oci:${top}/oci/encap:plainroot`;
    const commit = "92e9d792ea50624d17f3e3ee6ac02cfe1fa55af1ea63f7c28ce6265c3a91ea30";
    const came = await run("unencapsulate", `--repo=${at}`, from, "--write-ref=lab/plainroot");
    expect(came).toEqual({ code: 0, out: `Imported: lab/plainroot => ${commit}\n`, err: "" });
    const out = await run(
      "encapsulate",
      `--repo=${at}`,
      "lab/plainroot",
      `oci:${top}/out:x`,
      "--label=lab=yes",
      "--copymeta=lab.key",
      "--copymeta-opt=nokey",
    );
    expect(out).toEqual({ code: 0, out: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/), err: "" });
    const other = join(top, "other");
    makeRepo(other, "bare")[Symbol.dispose]();
    expect(
      await run("unencapsulate", `--repo=${other}`, `ostree-unverified-image:oci:${top}/out:x`),
    ).toMatchObject({ code: 0, out: `Imported: ${commit}\n` });
    const pulled = await run("image", "pull", other, `ostree-unverified-image:oci:${top}/oci/os:v1`);
    expect(pulled.code).toBe(0);
    const again = await run(
      "image",
      "reexport",
      `--repo=${other}`,
      `oci:${top}/oci/os:v1`,
      `oci:${top}/out:again`,
    );
    expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/^Exported: sha256:[0-9a-f]{64}\n$/) });
    expect(await run("encapsulate", `--repo=${at}`, "lab/nosuch", `oci:${top}/out:y`)).toMatchObject({
      code: 1,
      err: "error: Building oci: Refspec 'lab/nosuch' not found\n",
    });
    expect(
      await run("encapsulate", `--repo=${at}`, "lab/plainroot", `oci:${top}/out:y`, "--copymeta=nosuch"),
    ).toMatchObject({
      code: 1,
      err: "error: Building oci: Could not find commit metadata key: nosuch\n",
    });
  });
});

describe("arguments", () => {
  test.each([
    [["container"], /requires a subcommand/],
    [["container", "image", "nosuch"], /unrecognized subcommand 'nosuch'/],
    [["container", "image", "pull", "repo"], /<IMGREF>/],
    [["container", "image", "list"], /--repo/],
    [["container", "image", "list", "--nosuch"], /Unknown option/],
    [["container", "image", "pull", "repo", "oci:/x"], /Invalid ostree image reference scheme: oci/],
  ])("%j is refused with exit code 2", async (argv, message) => {
    const ended = await runOurs(top, argv);
    expect(ended.code).toBe(2);
    expect(ended.err).toMatch(message);
  });
});
