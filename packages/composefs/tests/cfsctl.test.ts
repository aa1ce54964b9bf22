/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The stand-in for cfsctl, against a session of cfsctl 0.9.4 that was recorded.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parseDigest, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { copyImage, openImageSink, openImageSource, parseImageReference } from "@bootc-store/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { cfsctl } from "../src/drop-ins/index.ts";
import { layerStreamName } from "../src/oci/layer.ts";
import { Repository } from "../src/repository/repository.ts";
import { CONTENT_TYPES } from "../src/splitstream/layout.ts";
import { SplitstreamWriter } from "../src/splitstream/writer.ts";
import { readObjectLink, writeObjectLink, writeRef } from "../src/streams/links.ts";
import { storeStream } from "../src/streams/store.ts";
import { runTool, type ToolRun } from "./tool-context.ts";

const FIXTURES = join(import.meta.dirname, "../../../../shared/fixtures/composefs-repo");
const python = spawnSync("python3", ["--version"]).status === 0;
const possible = existsSync(FIXTURES) && process.getuid?.() === 0 && python;

const lab = openLab();
const pool = createPool();
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});

interface RecordedRun {
  readonly argv?: readonly string[];
  readonly note?: string;
  readonly exit?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

const records = possible
  ? readFileSync(join(FIXTURES, "cli.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as RecordedRun)
  : [];

/** Where names come in the order of a directory, or of a hash map. */
function sorted(text: string): string {
  return text.split("\n").sort().join("\n");
}

const UNORDERED = [/ images\b/, / image-objects /, / fsck\b/];

function normal(argv: readonly string[], text: string): string {
  const line = argv.join(" ");
  if (/\boci copy\b/.test(line)) return text.replace(/^Manifest verity: .*$/m, "Manifest verity: …");
  // Objects of manifests that were written anew differ in size by some bytes, as their tables are in another order.
  if (/ gc\b/.test(line))
    return text.replaceAll(
      /\((\d+) bytes\)/g,
      (_, bytes: string) => `(${Math.round(Number(bytes) / 100)} hundred bytes)`,
    );
  if (line.includes("--json") && / images\b/.test(line)) {
    const { images } = JSON.parse(text) as { images: { name: string }[] };
    return JSON.stringify(images.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }
  return UNORDERED.some((each) => each.test(line)) ? sorted(text) : text;
}

/** Records in which cfsctl takes what it should not. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["sha256:1111111111111111111111111111111111111111111111111111111111111111", "has the diff id"],
  ["sha256:2222222222222222222222222222222222222222222222222222222222222222", "has the diff id"],
  ["sha256:4444444444444444444444444444444444444444444444444444444444444444", "has the diff id"],
]);

/** What was imported as `junk` is not in the recording, so its id is another. */
const JUNK = "junk";
const JUNK_ID = "aa18d9bc87d23944d12ac5bb554ef679a35033de2777ea552f78cbb5c6044984";
const RECORDED_JUNK = "de2181cf1a2cbe446d602e9a4247cc461ff0cdc8d14424287291c7a25546f300";

describe.skipIf(!possible)("a session as recorded (needs ../shared, root, python3)", () => {
  let place = "";
  let scratch: Awaited<ReturnType<typeof lab.scratch>>;
  let layerTar = "";

  const paths = (): [string, string][] => [
    ["$REPO2", join(place, "repo2")],
    ["$REPO", join(place, "repo")],
    ["$LAYOUTS", join(FIXTURES, "layouts")],
    ["$TREE", join(place, "tree")],
    ["$BOOT", join(place, "boot")],
    ["$W", place],
  ];
  const resolved = (text: string): string =>
    paths().reduce((all, [name, path]) => all.replaceAll(name, path), text);
  const shown = (text: string): string => {
    const list = paths().sort((a, b) => b[1].length - a[1].length);
    return list.reduce((all, [name, path]) => all.replaceAll(path, name), text);
  };

  beforeAll(async () => {
    scratch = await lab.scratch();
    place = scratch.path;
    const made = spawnSync("python3", [join(FIXTURES, "generator/tree.py"), join(place, "tree"), "7"]);
    if (made.status !== 0) throw new Error(made.stderr.toString());
    const root = Dir.openHost(utf8("/"));
    const source = await openImageSource(parseImageReference(`oci:${FIXTURES}/layouts/artifact`), {
      host: { root },
    });
    const sink = await openImageSink(parseImageReference(`dir:${place}/dir-artifact`), { host: { root } });
    await copyImage(source, sink);
    await source[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    root[Symbol.dispose]();
  });
  afterAll(async () => await scratch[Symbol.asyncDispose]());

  async function run(argv: readonly string[], stdin?: string | Uint8Array): Promise<ToolRun> {
    return await runTool(cfsctl, argv.slice(1).map(resolved), {
      cwd: place,
      pool,
      env: { HOME: place },
      ...(stdin === undefined ? {} : { stdin }),
    });
  }

  /** What the recorded program was given on its standard input. */
  function stdinOf(argv: readonly string[]): Uint8Array | string | undefined {
    const tar = (): Buffer => Buffer.from(layerTar, "latin1");
    if (argv.includes("import-layer")) {
      if (argv.some((each) => each.startsWith("sha256:3333"))) return tar().subarray(0, 700);
      return argv.some((each) => each.startsWith("sha256:4444")) ? "" : tar();
    }
    if (!argv.includes("import-image")) return undefined;
    if (argv.includes("junk")) return JUNK;
    const id = "f961e466f151f1856c933c59a4d34cac37ea0b5f5d365fb41e0a7f34d8806e45";
    return readFileSync(join(place, "repo/images", id));
  }

  /** Puts into the repository what ours refuses, so that what follows finds what the recording found. */
  async function asRecorded(digest: string, name: string | undefined): Promise<void> {
    using dir = Dir.openHost(utf8(join(place, "repo")));
    await using repository = await Repository.open(dir);
    const stream = layerStreamName(parseDigest(digest));
    if (digest.startsWith("sha256:4444")) {
      const writer = new SplitstreamWriter(repository.algorithm, CONTENT_TYPES.layer);
      await storeStream(repository, stream, writer);
      return;
    }
    const good = layerStreamName(
      parseDigest("sha256:f0ce543dc64463515bea4614fc7fa458bd4bc3231b023e683fa0e90f41cad88e"),
    );
    writeObjectLink(repository, "streams", stream, readObjectLink(repository, "streams", good) ?? "");
    if (name !== undefined) writeRef(repository, "streams", name, stream);
  }

  test("every command, in its order", async () => {
    const failures: string[] = [];
    for (const [at, record] of records.entries()) {
      if (record.note?.startsWith("removed images/refs/junk")) rmSync(join(place, "repo/images/refs/junk"));
      const { argv } = record;
      if (argv === undefined || argv[0] !== "cfsctl") continue;
      // Names of the machine on which it was recorded, and help in cfsctl's own words: see below.
      if (argv.length === 1 || argv.join(" ").endsWith(" oci") || !argv.includes("--repo")) {
        if (record.exit === 2 && record.stderr?.includes("Commands:") === true) continue;
      }
      if (argv.join(" ") === "cfsctl oci images") continue;
      const found = await run(argv, stdinOf(argv));
      const name = `${at}: ${argv.join(" ")}`;
      const digest = argv.find((each) => REFUSED.has(each));
      if (digest !== undefined && argv.includes("import-layer")) {
        if (found.code !== 1 || !found.err.includes(REFUSED.get(digest) ?? ""))
          failures.push(`${name}\n${found.err}`);
        await asRecorded(digest, argv[argv.indexOf(digest) + 1]);
        continue;
      }
      if (argv.includes("layer") && found.code === 0 && argv.at(-1)?.startsWith("sha256:f0ce") === true)
        layerTar = found.out.toString("latin1");
      const out = shown(found.out.toString("utf8"));
      const got = { code: found.code, out: normal(argv, out), err: shown(found.err) };
      const wanted = {
        code: record.exit,
        out: normal(argv, (record.stdout ?? "").replaceAll(RECORDED_JUNK, JUNK_ID)),
        err: (record.stderr ?? "").replaceAll(RECORDED_JUNK, JUNK_ID),
      };
      // The table's columns are as wide as the paths of that machine.
      if (name.endsWith(" oci images")) {
        const cells = (text: string): string => sorted(text).replaceAll(/[─═╌ ]+/g, " ");
        got.out = cells(got.out);
        wanted.out = cells(wanted.out);
      }
      if (JSON.stringify(got) !== JSON.stringify(wanted)) {
        failures.push(
          `${name}\n--- wanted ${wanted.code}\n${wanted.out}${wanted.err}--- got ${got.code}\n${got.out}${got.err}`,
        );
      }
    }
    expect(failures.join("\n\n")).toBe("");
    expect(records.filter(({ argv }) => argv !== undefined).length).toBeGreaterThan(180);
  }, 120_000);
});

/** Command lines that end before anything is done. */
const LINES = `
--bogus
init --bogus
cat
cat a b
init --algorithm
init --algorithm md5
init --algorithm fsverity-md5-12
init --algorithm fsverity-sha256-x
init --algorithm fsverity-sha256
inti
oci pul
--repo
fsck --jsn
oci inspect x --manifest=3
oci inspect x --manifest --config
oci inspect x --config --manifest
oci inspect @x
gc -x
gc -r
gc -n -n
gc -nx
--hash md5 fsck
--hash
--erofs-version 7 fsck
oci copy x
oci copy
mount a
mount a b --read-write
mount a b --workdir x
mount a b --fuse maybe
oci mount --upperdir x a b
fetch a b
oci --bogus
oci images extra
--repo a --repo b fsck
oci layer x --json --dumpfile
oci layer nope
oci layer sha256:00
oci layer sha384:00
oci layer :x
oci layer sha256:
oci layer a b:c
oci tag @x y
oci tag x y
oci dump @x
oci dump x --xattrs y
oci pull a b --local-fetch x
oci pull a --expected-digest zz
--version
-V
oci -V
--version --bogus
--system --user fsck
--user --repo x fsck
--repo=x --system fsck
init a b
init --erofs-version 9
import-image
transaction x
--no-repo --repo x fsck
--no-repo oci images
mkcomposefs
mkcomposefs --bogus x
mkcomposefs --print-digest-only a b
mkcomposefs a
mkcomposefs --min-version 2 a b
mkcomposefs /nonexistent/x b
mkcomposefs -V
composefs-info -V
composefs-info ls --bogus
composefs-info missing-objects x
composefs-info ls /nonexistent/x
composefs-info measure-file /nonexistent/x
--repo /nonexistent/x fsck
--repo /nonexistent/x oci pull oci:x
oci prepare-boot
oci linked-erofs-images
compute-id
create-image
dump-files
image-objects
--repo x
compute-id /nonexistent/x
create-dumpfile /nonexistent/x --xattrs keep-user-xattrs
compute-karg /nonexistent/x --bootable
create-image a --no-propagate
`
  .trim()
  .split("\n")
  .map((line) => line.split(" "));

const USAGE_ONLY = /^(?:oci|--repo x)$/;

describe.skipIf(!lab.peers.cfsctl.available)("beside cfsctl", () => {
  test.each(LINES.map((line): [string, string[]] => [line.join(" "), line]))("%s", async (name, argv) => {
    const theirs = await lab.peers.cfsctl.run(argv, { env: { RUST_BACKTRACE: "0" } });
    const ours = await runTool(cfsctl, argv, { cwd: "/", pool });
    const usage = (text: string): string | undefined => /^Usage: .*$/m.exec(text)?.[0];
    if (USAGE_ONLY.test(name)) {
      expect([ours.code, usage(ours.err)]).toEqual([theirs.code, usage(theirs.errorText)]);
      return;
    }
    expect({ code: ours.code, out: ours.out.toString(), err: ours.err }).toEqual({
      code: theirs.code,
      out: theirs.text,
      err: theirs.errorText,
    });
  });

  test("mkcomposefs and composefs-info of composefs-rs", async () => {
    await using scratch = await lab.scratch();
    const tree = join(scratch.path, "tree");
    mkdirSync(join(tree, "usr/bin"), { recursive: true });
    for (const [at, size] of [0, 1, 64, 65, 5000].entries())
      writeFileSync(join(tree, `usr/bin/f${at}`), Buffer.alloc(size, at));
    const image = join(scratch.path, "ours.cfs");
    const both = async (argv: readonly string[]): Promise<void> => {
      const theirs = await lab.peers.cfsctl.run(argv, { env: { RUST_BACKTRACE: "0" } });
      const ours = await runTool(cfsctl, argv, { cwd: "/", pool });
      expect({ argv, code: ours.code, out: ours.out.toString(), err: ours.err }).toEqual({
        argv,
        code: theirs.code,
        out: theirs.text,
        err: theirs.errorText,
      });
    };
    await both(["mkcomposefs", "--print-digest", tree, image]);
    for (const options of [[], ["--hardlinks"], ["--use-epoch"], ["--min-version", "1"], ["--skip-xattrs"]])
      await both(["mkcomposefs", "--print-digest-only", ...options, tree]);
    await both(["mkcomposefs", "--from-file", "--print-digest-only", "/dev/null"]);
    for (const command of ["ls", "dump", "objects"]) await both(["composefs-info", command, image]);
    await both(["composefs-info", "ls", "--filter", "usr", image]);
    await both(["composefs-info", "ls", "--filter", "none", image]);
    await both(["composefs-info", "missing-objects", "--basedir", scratch.path, image]);
    await both(["composefs-info", "measure-file", image]);
    await both(["composefs-info", "ls", join(tree, "usr/bin/f1")]);
  });
});

/** Of each command its usage and options, as `--help` told them. */
describe.skipIf(!existsSync(join(FIXTURES, "cli-options.txt")))("help (needs ../shared)", () => {
  const blocks = existsSync(FIXTURES)
    ? readFileSync(join(FIXTURES, "cli-options.txt"), "utf8")
        .split("##### ")
        .slice(1)
        .map((block): [string, string] => [block.split("\n", 1)[0] ?? "", block])
    : [];
  test.each(blocks)("%s", async (line, block) => {
    const argv = line.trim().split(/\s+/).slice(1);
    const { code, out } = await runTool(cfsctl, argv, { cwd: "/", pool });
    expect(code).toBe(0);
    const help = out.toString();
    const usage = /^Usage: .*$/m.exec(block)?.[0] ?? "";
    expect(help).toContain(`${usage}\n`);
    for (const [, option = ""] of block.matchAll(/^ +(?:-\w, )?(--[\w-]+(?: <\w+>)?)$/gm))
      expect(help).toContain(option);
  });
});
