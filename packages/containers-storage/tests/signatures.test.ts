/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Signatures and indexes beside an image, as skopeo writes and reads them.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parseDigest, printDigest } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { imageOfTars, sha256, writeLayout } from "./helpers/layout.ts";
import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const NAME = "localhost/signed:v1";
/** The first byte says that these are OpenPGP; what follows nobody looks at who has no policy. */
const SIGNATURES = [
  Buffer.from("\u0089 the first one", "latin1"),
  Buffer.concat([
    Buffer.from([0]),
    Buffer.from('sigstore-json\n{"mimeType":"","payload":"","annotations":{}}'),
  ]),
];

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["skopeo", "podman", "containers-storage"] });
const { skopeo, podman, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

const image = imageOfTars([tar([{ name: "a", content: "a" }])]);

/** The image as a directory of skopeo's, with signatures in files of their own. */
async function signedDirectory(path: string): Promise<string> {
  await writeLayout(join(path, "layout"), image);
  const to = join(path, "dir");
  await skopeo.succeed(["--insecure-policy", "copy", "-q", `oci:${join(path, "layout")}:v1`, `dir:${to}`]);
  for (const [at, bytes] of SIGNATURES.entries()) writeFileSync(join(to, `signature-${at + 1}`), bytes);
  return to;
}

const indexJson = (paths: StorePaths): string =>
  readFileSync(join(paths.root, "overlay-images/images.json"), "utf8");

describe.skipIf(missing !== undefined)(`with an image${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("signatures are kept as skopeo keeps them, and are read where it wrote them", async () => {
    await using scratch = lab.scratch();
    const [theirs, ours] = ["theirs", "ours"].map((name) => pathsIn(join(scratch.path, name))) as [
      StorePaths,
      StorePaths,
    ];
    const from = await signedDirectory(scratch.path);
    await skopeo.succeed(["--insecure-policy", "copy", "-q", `dir:${from}`, theirs.reference(NAME)]);
    {
      await using store = openStore(ours);
      await store.writeImage(image, { names: [NAME], signatures: SIGNATURES });
      const manifest = image.manifest.digest;
      expect((await store.readSignatures(NAME)).map((bytes) => Buffer.from(bytes))).toEqual(SIGNATURES);
      expect(await store.readSignatures(NAME, { manifest })).toHaveLength(2);
      const other = parseDigest(`sha256:${"0".repeat(64)}`);
      expect(await store.readSignatures(NAME, { manifest: other })).toEqual([]);
      // Written once more without them, and they stay.
      await store.writeImage(image, { names: [NAME] });
      expect(await store.readSignatures(NAME)).toHaveLength(2);
    }
    const items = (paths: StorePaths): string[] =>
      readdirSync(join(paths.root, "overlay-images", image.config.digest.hex)).sort();
    expect(items(ours)).toEqual(items(theirs));
    expect(indexJson(ours)).toBe(indexJson(theirs));
    {
      await using store = openStore(theirs);
      expect((await store.readSignatures(NAME)).map((bytes) => Buffer.from(bytes))).toEqual(SIGNATURES);
    }
    const out = join(scratch.path, "out");
    mkdirSync(out);
    await skopeo.succeed(["--insecure-policy", "copy", "-q", ours.reference(NAME), `dir:${out}`]);
    for (const [at, bytes] of SIGNATURES.entries())
      expect(readFileSync(join(out, `signature-${at + 1}`)).equals(bytes)).toBe(true);
    expect((await cli.run([...ours.cli, "check"])).code).toBe(0);
  });

  test("that was found by an index, the index is kept, and the image is found by its digest", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    const { mediaType, digest, bytes } = image.manifest;
    const entry = {
      mediaType,
      digest: printDigest(digest),
      size: bytes.length,
      platform: { architecture: "amd64", os: "linux" },
    };
    const type = "application/vnd.oci.image.index.v1+json";
    const text = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [entry] }));
    const index = { mediaType: type, digest: sha256(text), bytes: text };
    {
      await using store = openStore(paths);
      await store.writeImage(image, { names: [NAME], index });
      expect((await store.findImage(printDigest(index.digest)))?.id).toBe(image.config.digest.hex);
      expect((await store.findImage(printDigest(digest)))?.id).toBe(image.config.digest.hex);
      const other = imageOfTars([tar([{ name: "b", content: "b" }])]);
      await expect(store.writeImage(other, { index })).rejects.toMatchObject({
        code: "containers-storage/image-invalid",
      });
      expect(await store.images()).toHaveLength(1);
    }
    // The same by skopeo, which takes the image out of a layout with that index.
    const layout = join(scratch.path, "layout");
    await writeLayout(layout, image);
    writeFileSync(join(layout, "blobs/sha256", index.digest.hex), text);
    const named = {
      mediaType: type,
      digest: printDigest(index.digest),
      size: text.length,
      annotations: { "org.opencontainers.image.ref.name": "list" },
    };
    writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
    const theirs = pathsIn(join(scratch.path, "theirs"));
    await skopeo.succeed([
      "--insecure-policy",
      "--override-arch=amd64",
      "--override-os=linux",
      "copy",
      "-q",
      `oci:${layout}:list`,
      theirs.reference(NAME),
    ]);
    expect(indexJson(paths)).toBe(indexJson(theirs));
    const found = await podman.succeed([...paths.podman, "image", "inspect", "--format", "{{.Id}}", NAME]);
    expect(found.text.trim()).toBe(image.config.digest.hex);
    expect((await cli.run([...paths.cli, "check"])).code).toBe(0);
  });
});
