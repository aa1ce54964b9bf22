// Commits as images, and images again, against what the real program wrote: the same tars, byte for byte.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { printDigest, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { openImageSink, openImageSource, parseImageReference, readImage } from "@bootc-store/oci";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  type ContentMetadata,
  encapsulate,
  type EncapsulateOptions,
  findImage,
  importImage,
  reexport,
  unencapsulate,
} from "../../src/container/index.ts";
import type { Repo } from "../../src/index.ts";
import { makeRepo } from "./helpers.ts";

const RECORDED = join(import.meta.dirname, "../../../../../shared/fixtures/ostree-container");

const lab = openLab();
afterAll(() => lab.close());
let top = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "bootc-store-encapsulate-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

async function open(layout: string, tag: string) {
  using root = Dir.openHost(utf8("/"));
  return await readImage(
    await openImageSource(parseImageReference(`oci:${layout}:${tag}`), { host: { root } }),
  );
}

/** Writes to a layout and reads it again. */
async function written(write: (sink: Awaited<ReturnType<typeof openImageSink>>) => Promise<unknown>) {
  using root = Dir.openHost(utf8("/"));
  await using sink = await openImageSink(parseImageReference(`oci:${join(top, "out")}:x`), {
    host: { root },
  });
  await write(sink);
  return await open(join(top, "out"), "x");
}

const json = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>;

/** A manifest without what depends on how well its layers are compressed. */
function plain(bytes: Uint8Array): unknown {
  const manifest = json(bytes) as { layers: Record<string, unknown>[]; config: unknown };
  return {
    ...manifest,
    config: undefined,
    layers: manifest.layers.map(({ mediaType, annotations }) => ({ mediaType, annotations })),
  };
}

interface Meta {
  readonly created: string;
  readonly labels: Record<string, string>;
  readonly layers: Record<string, string>;
  readonly mapping: Record<string, string>;
}

function contentMetadata(): ContentMetadata {
  const { steps } = JSON.parse(readFileSync(join(RECORDED, "encap/encapsulate.json"), "utf8")) as {
    readonly steps: readonly { readonly contentmeta?: Meta }[];
  };
  const meta = steps.find(({ contentmeta }) => contentmeta !== undefined)?.contentmeta as Meta;
  return {
    created: meta.created,
    labels: meta.labels,
    components: new Map(Object.entries(meta.layers)),
    mapping: new Map(Object.entries(meta.mapping)),
  };
}

const missing = existsSync(RECORDED) ? lab.missing({ root: true, peers: ["ostree"] }) : "no recordings";

describe.skipIf(missing !== undefined)(`images out of a repository (${missing ?? "recorded"})`, () => {
  const usual: EncapsulateOptions = {
    labels: { lab: "yes" },
    copyMetadata: ["lab.key"],
    copyMetadataOptional: ["nokey"],
  };
  test.each([
    ["plainroot", usual],
    ["composefs", usual],
    ["transient", usual],
    ["off", usual],
    ["again", { cmd: ["/bin/bash"], fast: true }],
    ["chunked", "contents"],
  ] as const)("%s is encapsulated as the real program does it, and comes back", async (tag, given) => {
    using repo: Repo = makeRepo(join(top, "repo"), "bare");
    await using image = await open(join(RECORDED, "oci/encap"), tag);
    const commit = await unencapsulate(repo, image, { ref: "it" });
    const options = given === "contents" ? { contents: contentMetadata() } : given;
    await using again = await written((sink) => encapsulate(repo, commit, sink, options));
    expect(json(again.config.bytes)).toEqual(json(image.config.bytes));
    expect(plain(again.manifest.bytes)).toEqual(plain(image.manifest.bytes));
    using other = makeRepo(join(top, "other"), "bare-user");
    expect(await unencapsulate(other, again, { ref: "it" })).toBe(commit);
    await lab.peers.ostree.succeed([`--repo=${join(top, "other")}`, "fsck", "-q"]);
  });

  test.each([
    ["reexport-plain", "plain", "v1"],
    ["reexport-os", "os", "v1"],
    ["reexport-encap", "encap", "chunked-derived"],
  ])("%s", async (name, layout, tag) => {
    using repo = makeRepo(join(top, "repo"), "bare");
    await using image = await open(join(RECORDED, "oci", layout), tag);
    await importImage(repo, image, { reference: "oci:/x:1" });
    const stored = findImage(repo, "oci:/x:1");
    if (stored === undefined) throw new Error("it is not there");
    await using again = await written((sink) => reexport(repo, stored, sink));
    await using expected = await open(join(RECORDED, name), "x");
    expect(json(again.config.bytes)).toEqual(json(expected.config.bytes));
    expect(plain(again.manifest.bytes)).toEqual(plain(expected.manifest.bytes));
    expect(again.layers.map(({ diffId }) => printDigest(diffId))).toEqual(
      expected.layers.map(({ diffId }) => printDigest(diffId)),
    );
  });

  test("metadata that is to be copied has to be there", async () => {
    using repo = makeRepo(join(top, "repo"), "bare");
    await using image = await open(join(RECORDED, "oci/encap"), "off");
    const commit = await unencapsulate(repo, image, { ref: "it" });
    await expect(
      written((sink) => encapsulate(repo, commit, sink, { copyMetadata: ["nosuch"] })),
    ).rejects.toThrow("Could not find commit metadata key: nosuch");
    expect(existsSync(join(top, "out/index.json"))).toBe(false);
  });
});
