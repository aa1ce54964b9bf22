// Images of one shared layer and one of their own each: many-images.ts GRAPHROOT RUNROOT COUNT.
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { ContainersStorage } from "@bootc-store/containers-storage";
import { type Digest, digestFromHex, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { encodeTarEntry, readSegments, TAR_END, tarPadding } from "@bootc-store/oci";

const [graphRoot, runRoot, count] = process.argv.slice(2);
if (graphRoot === undefined || runRoot === undefined || count === undefined)
  throw new Error("usage: many-images.ts GRAPHROOT RUNROOT COUNT");
for (const path of [graphRoot, runRoot]) mkdirSync(path, { recursive: true, mode: 0o700 });
await using store = ContainersStorage.ensure({
  graphRoot: Dir.openHost(utf8(graphRoot)),
  runRoot: Dir.openHost(utf8(runRoot)),
}).store;

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";
const base = layerOf("etc/base", "the layer that all of them have\n");
for (let n = 1; n <= Number(count); n++) {
  const tars = [base, layerOf(`srv/${n}`, `image ${n}\n`)];
  const layers = tars.map((tar) => ({
    blob: { mediaType: LAYER, size: tar.length, digest: sha256(tar) },
    diffId: sha256(tar),
  }));
  const diffIds = layers.map(({ diffId }) => `sha256:${diffId.hex}`);
  const config = document(CONFIG, {
    created: new Date(1_700_000_000_000 + n * 1000).toISOString(),
    architecture: "amd64",
    os: "linux",
    config: { Labels: { number: String(n) } },
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const manifest = document(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: described(config.mediaType, config.bytes),
    layers: tars.map((tar) => described(LAYER, tar)),
  });
  await store.writeImage(
    {
      manifest,
      config,
      layers,
      async openLayer(at) {
        const tar = tars[at] ?? base;
        return { diffId: sha256(tar), segments: () => readSegments(only(tar)) };
      },
      async [Symbol.asyncDispose]() {},
    },
    { names: [`localhost/bench-${n}:v1`] },
  );
}

function layerOf(path: string, text: string): Buffer {
  const content = Buffer.from(text);
  const header = encodeTarEntry({ type: "file", name: utf8(path), size: content.length });
  return Buffer.concat([header, content, tarPadding(content.length), TAR_END]);
}

function document(mediaType: string, value: object) {
  const bytes = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: sha256(bytes), bytes };
}

function described(mediaType: string, bytes: Uint8Array) {
  return { mediaType, digest: `sha256:${sha256(bytes).hex}`, size: bytes.length };
}

function sha256(bytes: Uint8Array): Digest {
  return digestFromHex("sha256", createHash("sha256").update(bytes).digest("hex"));
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
