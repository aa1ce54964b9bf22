// Container images against what the real program made of them: refs, checksums, metadata, trees, and what it refused.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { StoreError, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { computeVerity, createPool, Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference, readImage } from "@bootc-store/oci";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  IMAGE_PREFIX,
  importImage,
  type ImportedImage,
  type ImportImageOptions,
  imageRefOf,
  listImages,
  removeImages,
  removeUnusedLayers,
  unescapeFromRef,
} from "../../src/container/index.ts";
import { verifyRepo } from "../../src/backend/verify.ts";
import { lookupValue } from "../../src/gvariant/index.ts";
import { COMPOSEFS_DIGEST, Repo, type RepoMode } from "../../src/index.ts";
import { makeRepo } from "./helpers.ts";

const RECORDED = join(import.meta.dirname, "../../../../../shared/fixtures/ostree-container");
/** What the recorded program was told the time is. */
const EPOCH = 1_700_000_000;

interface Dump {
  readonly dump: string;
  readonly refs: Readonly<Record<string, string>>;
  readonly objects: { readonly count: number; readonly "sha256-of-sorted-names": string };
  readonly commits: Readonly<
    Record<
      string,
      { readonly "object-base64": string; readonly "ls-R-X-C": string; readonly "show-raw": string }
    >
  >;
}
interface Command {
  readonly cmd: string;
  readonly rc: number;
  readonly stdout: string;
  readonly stderr: string;
}
interface Case {
  readonly case: string;
  readonly mode: RepoMode;
  readonly image: string;
  readonly steps: readonly [Command, Dump, Command];
}

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});

let top = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "bootc-store-containers-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** Imports an image of the recording's layouts; the reference is the one that was recorded. */
async function importRecorded(
  repo: Repo,
  reference: string,
  options: ImportImageOptions = {},
): Promise<ImportedImage> {
  using root = Dir.openHost(utf8("/"));
  const at = reference.replace(/^oci:/, `oci:${RECORDED}`);
  await using image = await readImage(await openImageSource(parseImageReference(at), { host: { root } }));
  return await importImage(repo, image, { reference, layerTimestamp: EPOCH, ...options });
}

const cases = existsSync(RECORDED)
  ? readdirSync(join(RECORDED, "single"))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(RECORDED, "single", name), "utf8")) as Case)
  : [];

/** The merge commit's time is that of the recording's clock. */
const ITS_OWN_TIME = new Set(["edge-created-none", "edge-created-annbad"]);
/** Upstream writes attributes without a value, and twice, that its own fsck then refuses. */
const UPSTREAM_DEFECT = new Set(["edge-xempty", "edge-xdup"]);

const missing = cases.length === 0 ? "no recordings" : lab.missing({ root: true, peers: ["ostree"] });

describe.skipIf(missing !== undefined)(`images into a fresh repository (${missing ?? "recorded"})`, () => {
  const accepted = cases.filter(({ steps }) => steps[0].rc === 0);
  test.each(accepted.map((each) => [each.case, each.mode, each] as const))(
    "%s in %s",
    async (name, mode, each) => {
      const { ostree } = lab.peers;
      const at = join(top, "repo");
      using repo = makeRepo(at, mode, { pool });
      const result = await importRecorded(repo, each.image);
      const [command, dump] = each.steps;
      const refs = Object.fromEntries(repo.refs.listAll().map(({ ref, checksum }) => [ref, checksum]));
      const recorded = Object.entries(dump.refs).find(([ref]) => ref.includes("/image/"))?.[1] ?? "";
      const tree = (commit: string) => ostree.succeed([`--repo=${at}`, "ls", "-R", "-X", "-C", commit]);
      expect((await ostree.succeed([`--repo=${at}`, "fsck", "-q"])).code).toBe(0);
      if (UPSTREAM_DEFECT.has(name)) {
        expect(Object.keys(refs)).toEqual(Object.keys(dump.refs).sort());
        return;
      }
      expect((await tree(result.commit)).text).toBe(dump.commits[recorded]?.["ls-R-X-C"]);
      if (ITS_OWN_TIME.has(name)) return;
      expect(refs).toEqual(dump.refs);
      for (const [commit, { "object-base64": bytes }] of Object.entries(dump.commits))
        expect(repo.reader.readMetadata(commit, "commit").toString("base64")).toBe(bytes);
      const dropped = [...result.dropped].sort(([a], [b]) => (a < b ? -1 : 1));
      const told = dropped.map(([path, count]) => ` ${path}: ${count}`).join("");
      expect(command.stderr).toBe(
        dropped.length === 0 ? "" : `Image contains non-ostree compatible file paths:${told}\n`,
      );
      // Nothing is left behind that no ref has.
      const unused = await ostree.succeed([
        `--repo=${at}`,
        "prune",
        "--refs-only",
        "--no-prune",
        "--depth=1",
      ]);
      expect(unused.text).toMatch(/^Total objects: \d+\n(?:No unreachable objects|Would delete: 0)/);
    },
  );

  const refused = cases.filter(({ steps }) => steps[0].rc !== 0);
  test.each(refused.map((each) => [each.case, each] as const))("%s is refused", async (name, each) => {
    const split = each.mode === "bare-split-xattrs";
    using made = makeRepo(join(top, "repo"), split ? "bare" : each.mode, { pool });
    if (split) {
      const config = join(top, "repo/config");
      writeFileSync(config, readFileSync(config, "utf8").replace("mode=bare", "mode=bare-split-xattrs"));
    }
    using repo = split ? Repo.open(made.dir.duplicate(), { pool }) : made;
    const error = await importRecorded(repo, each.image).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof StoreError)) throw error ?? new Error(`${name} was not refused`);
    const digest = /layer blob (sha256:[0-9a-f]{64})/.exec(each.steps[0].stderr)?.[1];
    if (!split && digest !== undefined) expect(error.trail.map((each) => each.digest)).toContain(digest);
    expect(error.kind).toMatch(/^(corrupt|unsupported)$/);
    expect(`${error.code}: ${error.message}`).toMatch(REFUSALS[name] ?? /^$/);
    expect(repo.refs.listAll()).toEqual([]);
    expect((await lab.peers.ostree.succeed([`--repo=${join(top, "repo")}`, "fsck", "-q"])).code).toBe(0);
  });
});

const REFUSALS: Readonly<Record<string, RegExp>> = {
  "edge-chardev": /entry-unsupported: "usr\/node"/,
  "edge-chardev00": /entry-unsupported: "usr\/overlaywh"/,
  "edge-created-bad": /image-document-invalid: "yesterday"/,
  "edge-dotdot": /path-invalid: "\.\."/,
  "edge-dupfiledir": /entry-conflict|path-not-directory/,
  "edge-fifo": /entry-unsupported: "usr\/pipe"/,
  "edge-linkfiltered": /hardlink-target-missing: .*"\/tmp\/real"/,
  "edge-linklower": /hardlink-target-missing: .*"\/usr\/low"/,
  "edge-linkmissing": /hardlink-target-missing: .*"\/usr\/nowhere"/,
  "edge-nonutf8": /path-invalid: "usr\/caf/,
  "edge-nonutf8link": /path-invalid: .*"usr\/l"/,
  "edge-slashroot": /path-invalid: .*\//,
  "edge-throughlink": /path-not-directory/,
  "edge-whspecial": /whiteout-invalid: .*"\.wh\."/,
  "encap-composefs-nocommitlabel": /image-layout-invalid: Missing ostree\.final-diffid sha256:0000/,
  "mode-archive-encap-chunked-derived": /mode-unsupported: Bare repository mode cannot hardlink/,
  "mode-archive-plain-v1": /mode-unsupported: Bare repository mode cannot hardlink/,
  "mode-bare-split-xattrs-plain-v1": /mode-unsupported: Writing content object: Not allowed due to repo mode/,
};

describe.skipIf(missing !== undefined)(`one image after another (${missing ?? "recorded"})`, () => {
  const sequence = <T>(name: string): T =>
    JSON.parse(readFileSync(join(RECORDED, `seq/${name}.json`), "utf8")) as T;
  const fresh = (image: string): Record<string, string> =>
    ({
      ...cases.find((each) => each.image === image && each.mode === "bare")?.steps[1].refs,
    }) as Record<string, string>;

  test("a merge commit does not depend on what was pulled before", async () => {
    const { steps } = sequence<{
      readonly steps: readonly { readonly "pulled-in-order": readonly string[] }[];
    }>("seq-order-dependence");
    const orders = steps.map((step) => step["pulled-in-order"]).filter(({ length }) => length > 1);
    // A third image after the conflict, when the first that had the layer is gone.
    for (const [at, order] of [...orders, ...orders.map((each) => [...each, each[0] as string])].entries()) {
      using repo = makeRepo(join(top, `repo-${at}`), "bare", { pool });
      for (const tag of order) {
        const reference = `oci:/oci/${tag}`;
        const name = tag.replace(":", "-");
        const recorded = cases.find((each) => each.case === name);
        const merge = Object.entries(recorded?.steps[1].refs ?? {}).find(([ref]) =>
          ref.includes("/image/"),
        )?.[1];
        removeImages(repo, [reference]);
        const { commit } = await importRecorded(repo, reference);
        expect([order, tag, commit]).toEqual([order, tag, merge]);
      }
      await lab.peers.ostree.succeed([`--repo=${join(top, `repo-${at}`)}`, "fsck", "-q"]);
    }
  });

  test("layers that are there are not imported again, by digest or by diff id", async () => {
    using repo = makeRepo(join(top, "repo"), "bare", { pool });
    const state = (): Record<string, string> =>
      Object.fromEntries(repo.refs.listAll().map(({ ref, checksum }) => [ref, checksum]));
    const counts = ({ layersPresent, layersImported, created }: ImportedImage) => [
      layersPresent,
      layersImported,
      created,
    ];
    const first = await importRecorded(repo, "oci:/oci/plain:one");
    expect(first.content.copied.files).toBeGreaterThan(10);
    removeImages(repo, ["oci:/oci/plain:one"]);
    removeUnusedLayers(repo);
    const pull = async (tag: string) => counts(await importRecorded(repo, `oci:/oci/plain:${tag}`));
    expect(await pull("v1")).toEqual([0, 3, true]);
    expect(await pull("v1")).toEqual([3, 0, false]);
    expect(await pull("v2")).toEqual([2, 1, true]);
    expect(await pull("v1-recompressed")).toEqual([3, 0, true]);
    expect(await pull("zstd")).toEqual([3, 0, true]);
    expect(await pull("v1-repush")).toEqual([3, 0, true]);
    expect(state()).toEqual({
      ...fresh("oci:/oci/plain:v1"),
      ...fresh("oci:/oci/plain:v2"),
      ...fresh("oci:/oci/plain:v1-recompressed"),
      ...fresh("oci:/oci/plain:zstd"),
      ...fresh("oci:/oci/plain:v1-repush"),
    });
    expect(removeImages(repo, ["oci:/oci/plain:v1", "oci:/oci/plain:v1-repush", "oci:/no:1"])).toEqual({
      removed: 2,
      missing: ["oci:/no:1"],
    });
    expect(removeUnusedLayers(repo)).toBe(1);
    expect(listImages(repo).map(({ reference }) => reference)).toEqual([
      "oci:/oci/plain:v1-recompressed",
      "oci:/oci/plain:v2",
      "oci:/oci/plain:zstd",
    ]);
    await lab.peers.ostree.succeed([`--repo=${join(top, "repo")}`, "fsck", "-q"]);
  });

  test("an encapsulated commit and what was built upon it share layers", async () => {
    using repo = makeRepo(join(top, "repo"), "bare", { pool });
    for (const [tag, present, imported] of [
      ["chunked", 0, 6],
      ["chunked-derived", 6, 1],
      ["chunked-derived2", 7, 1],
    ] as const) {
      const result = await importRecorded(repo, `oci:/oci/encap:${tag}`);
      expect([result.layersPresent, result.layersImported]).toEqual([present, imported]);
      expect({ [result.ref ?? ""]: result.commit, ...fresh(`oci:/oci/encap:${tag}`) }).toEqual(
        fresh(`oci:/oci/encap:${tag}`),
      );
    }
  });

  test("the digest of the merge commit's composefs image, where it is wanted", async () => {
    const at = join(top, "repo");
    using repo = makeRepo(at, "bare", { pool });
    const plain = await importRecorded(repo, "oci:/oci/os:v1");
    removeImages(repo, ["oci:/oci/os:v1"]);
    const { commit } = await importRecorded(repo, "oci:/oci/os:v1", { composefsDigest: true });
    expect(repo.readCommit(commit)).toMatchObject({ tree: repo.readCommit(plain.commit).tree });
    const digest = lookupValue(repo.readCommit(commit).metadata, COMPOSEFS_DIGEST, "ay");
    expect(digest?.length).toBe(32);
    // It refuses a commit whose image has another digest.
    await lab.peers.ostree.succeed([`--repo=${at}`, "checkout", "--composefs", commit, "image"], {
      cwd: top,
    });
    expect(
      computeVerity(readFileSync(join(top, "image")), { algorithm: "sha256" }).equals(
        digest ?? Buffer.alloc(0),
      ),
    ).toBe(true);
  });

  test("names of refs", () => {
    const { steps } = sequence<{ readonly steps: readonly (Command & Dump)[] }>("seq-ref-escapes");
    const refs = Object.keys(steps.at(-1)?.refs ?? {}).filter((ref) => ref.includes("/image/"));
    expect(refs.length).toBe(16);
    for (const ref of refs) expect(imageRefOf(unescapeFromRef(ref.slice(IMAGE_PREFIX.length + 1)))).toBe(ref);
    expect(new Set(refs.map((ref) => unescapeFromRef(ref.slice(IMAGE_PREFIX.length + 1))))).toContain(
      "oci:/w/esc/a b:one",
    );
  });
});

describe.skipIf(missing !== undefined)(
  `repositories that the real program made (${missing ?? "recorded"})`,
  () => {
    const recorded = existsSync(join(RECORDED, "repos")) ? readdirSync(join(RECORDED, "repos")).sort() : [];
    test.each(recorded)("%s opens, lists, passes fsck, and takes another image", async (name) => {
      const at = join(top, "repo");
      mkdirSync(at);
      const archive = join(RECORDED, "repos", name);
      execFileSync("tar", ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xzf", archive, "-C", at]);
      using dir = Dir.openHost(utf8(at));
      using repo = Repo.open(dir.duplicate(), { pool });
      const [image, ...others] = listImages(repo);
      expect(others).toEqual([]);
      const tag = /^([a-z]+)-(.*?)-bare/.exec(name);
      expect(image?.reference).toBe(`oci:/oci/${tag?.[1]}:${tag?.[2]}`);
      for await (const finding of verifyRepo(repo)) expect(finding).toBeUndefined();
      // It knows the image for its own, and what it shares with others.
      expect(await importRecorded(repo, image?.reference ?? "")).toMatchObject({ created: false });
      await importRecorded(repo, "oci:/oci/plain:v2");
      await lab.peers.ostree.succeed([`--repo=${at}`, "fsck", "-q"]);
    });
  },
);
