/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// An image of the stores written out again.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { printDigest, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import {
  exactDocument,
  openImageSink,
  openImageSource,
  parseImageReference,
  readImage,
} from "@bootc-store/oci";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  type ExportedImage,
  exportImage,
  type ExportOptions,
  ExistingStores,
  PhysicalStores,
  pull,
} from "../src/index.ts";
import { osImage } from "./os-image.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});
const missing = lab.missing({ root: true });

describe.skipIf(missing !== undefined)(`export ${missing ?? ""}`, () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "bootc-store-export-"));
    for (const name of ["root/ostree", "run"]) mkdirSync(join(path, name), { recursive: true });
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  /** Pulls it; with `compressed` its manifest says that its layers were compressed. */
  async function fill(compressed: boolean): Promise<string> {
    using root = Dir.openHost(utf8(join(path, "root")));
    using run = Dir.openHost(utf8(join(path, "run")));
    await using stores = new PhysicalStores(root, run, { pool });
    const plain = await osImage(1);
    const image = compressed ? withOtherBlobs(plain) : plain;
    const reference = parseImageReference("oci:/images/os:1");
    return (await pull(stores, { image, reference, name: "localhost/os:1" })).manifest;
  }

  /** The same layers under other names of blobs, as an image has that came compressed. */
  function withOtherBlobs(image: Awaited<ReturnType<typeof osImage>>): typeof image {
    const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
    const layers = image.layers.map((layer, index) => ({
      ...layer,
      blob: {
        digest: { algorithm: "sha256" as const, hex: String(index + 1).repeat(64) },
        size: 1000,
        mediaType,
      },
    }));
    const manifest = JSON.parse(Buffer.from(image.manifest.bytes).toString()) as { layers: object[] };
    manifest.layers = layers.map(({ blob }) => ({
      mediaType,
      digest: printDigest(blob.digest),
      size: blob.size,
    }));
    return {
      ...image,
      manifest: exactDocument(image.manifest.mediaType, Buffer.from(JSON.stringify(manifest))),
      layers,
      openLayer: (index, options) => image.openLayer(index, options),
      [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
    };
  }

  async function exportTo(reference: string, options: ExportOptions = {}): Promise<ExportedImage> {
    using root = Dir.openHost(utf8(join(path, "root")));
    using host = Dir.openHost(utf8("/"));
    await using stores = await ExistingStores.open(root, { pool });
    await using sink = await openImageSink(parseImageReference(reference), {
      host: { root: host, cwd: path },
    });
    return await exportImage(stores, "localhost/os:1", sink, options);
  }

  /** Digests of the layers' tars, read from where the image was written to: each blob is checked on the way. */
  async function diffIds(reference: string): Promise<string[]> {
    using host = Dir.openHost(utf8("/"));
    await using source = await openImageSource(parseImageReference(reference), {
      host: { root: host, cwd: path },
    });
    await using image = await readImage(source);
    const found: string[] = [];
    for (const index of image.layers.keys()) {
      const layer = await image.openLayer(index);
      for await (const _ of layer.segments()) void _;
      found.push(printDigest(layer.diffId));
    }
    return found;
  }

  test.each(["oci:PATH/layout:v1", "oci-archive:PATH/image.tar:v1", "dir:PATH/dir"])(
    "an image of plain tars keeps its digest in %s",
    async (pattern) => {
      const reference = pattern.replace("PATH", path);
      const manifest = await fill(false);
      const exported = await exportTo(reference, { keepDigest: true });
      expect(exported).toMatchObject({ from: "containers-storage", kept: true });
      expect(printDigest(exported.digest)).toBe(manifest);
      expect(await diffIds(reference)).toEqual(
        (await osImage(1)).layers.map(({ diffId }) => printDigest(diffId)),
      );
    },
  );

  test("without containers-storage it comes out of composefs, the same", async () => {
    const manifest = await fill(false);
    rmSync(join(path, "root/ostree/bootc"), { recursive: true });
    const exported = await exportTo(`oci:${path}/layout:v1`);
    expect(exported).toMatchObject({ from: "composefs", kept: true });
    expect(printDigest(exported.digest)).toBe(manifest);
  });

  test.each(["none", "gzip"] as const)(
    "an image that came compressed gets another manifest around the same configuration (%s)",
    async (compression) => {
      const manifest = await fill(true);
      const reference = `oci:${path}/layout:v1`;
      await expect(exportTo(reference, { keepDigest: true })).rejects.toMatchObject({
        code: "storage/digest-lost",
      });
      const exported = await exportTo(reference, { compression });
      expect(exported.kept).toBe(false);
      expect(printDigest(exported.digest)).not.toBe(manifest);
      const plain = await osImage(1);
      expect(await diffIds(reference)).toEqual(plain.layers.map(({ diffId }) => printDigest(diffId)));
      if (lab.missing({ peers: ["skopeo"] }) === undefined) {
        const said = await lab.peers.skopeo.succeed(["inspect", "--raw", reference]);
        const { config } = JSON.parse(said.stdout.toString()) as { config: { digest: string } };
        expect(config.digest).toBe(printDigest(plain.config.digest));
      }
    },
  );

  test("what is in no store is said", async () => {
    await fill(false);
    using root = Dir.openHost(utf8(join(path, "root")));
    using host = Dir.openHost(utf8("/"));
    await using stores = await ExistingStores.open(root, { pool });
    await using sink = await openImageSink(parseImageReference(`oci:${path}/layout:v1`), {
      host: { root: host, cwd: path },
    });
    await expect(exportImage(stores, "localhost/none", sink)).rejects.toMatchObject({
      code: "storage/image-missing",
    });
  });
});
