// An OCI layout read by hand, so that images can be written before and without a reader of layouts.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import type { Image, ImageLayer } from "@bootc-store/backend";
import { type Digest, digestFromHex, parseDigest } from "@bootc-store/core";
import { readSegments, segmentBytes } from "@bootc-store/oci";

interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The first image that the layout's index names. */
export function layoutImage(path: string): Image {
  const blob = (digest: string): Buffer => readFileSync(join(path, "blobs", digest.replace(":", "/")));
  const index = JSON.parse(readFileSync(join(path, "index.json"), "utf8")) as { manifests: Described[] };
  const [first] = index.manifests;
  if (first === undefined) throw new Error("an empty layout");
  return imageOf(first.mediaType, blob(first.digest), (digest) => blob(digest));
}

/** An image of a manifest's bytes, and blobs. */
export function imageOf(mediaType: string, manifestBytes: Buffer, blob: (digest: string) => Buffer): Image {
  const manifest = JSON.parse(manifestBytes.toString("utf8")) as { config: Described; layers: Described[] };
  const configBytes = blob(manifest.config.digest);
  const config = JSON.parse(configBytes.toString("utf8")) as { rootfs: { diff_ids: string[] } };
  const layers = manifest.layers.map((each, at): ImageLayer => ({
    blob: { digest: parseDigest(each.digest), size: each.size, mediaType: each.mediaType },
    diffId: parseDigest(config.rootfs.diff_ids[at] ?? ""),
  }));
  return {
    manifest: { mediaType, digest: sha256(manifestBytes), bytes: manifestBytes },
    config: { mediaType: manifest.config.mediaType, digest: sha256(configBytes), bytes: configBytes },
    layers,
    async openLayer(index) {
      const layer = manifest.layers[index];
      if (layer === undefined) throw new Error(`no layer ${index}`);
      const bytes = blob(layer.digest);
      const tar = layer.mediaType.endsWith("gzip") ? gunzipSync(bytes) : bytes;
      return {
        diffId: layers[index]?.diffId as Digest,
        size: tar.length,
        segments: () => readSegments(chunks(tar)),
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** An image of layers that are given as tars. */
export function imageOfTars(tars: readonly Buffer[], extra: object = {}): Image {
  const blobs = new Map<string, Buffer>();
  const put = (mediaType: string, bytes: Buffer): Described => {
    const digest = `sha256:${sha256(bytes).hex}`;
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layers = tars.map((tar) => put("application/vnd.oci.image.layer.v1.tar", tar));
  const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
  const config = { architecture: "amd64", os: "linux", created: "2024-02-03T04:05:06Z", rootfs, ...extra };
  const type = "application/vnd.oci.image.manifest.v1+json";
  const described = put("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(config)));
  const manifest = { schemaVersion: 2, mediaType: type, config: described, layers };
  return imageOf(type, Buffer.from(JSON.stringify(manifest)), (digest) => blobs.get(digest) as Buffer);
}

async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
}

export function sha256(bytes: Uint8Array): Digest {
  return digestFromHex("sha256", createHash("sha256").update(bytes).digest("hex"));
}

/** Writes an image as a layout that the real tools read, with the tag `v1`. */
export async function writeLayout(path: string, image: Image): Promise<void> {
  const blobs = join(path, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  for (const { digest, bytes } of [image.manifest, image.config])
    writeFileSync(join(blobs, digest.hex), bytes);
  for (const [at, { diffId }] of image.layers.entries()) {
    const parts: Uint8Array[] = [];
    for await (const bytes of segmentBytes((await image.openLayer(at)).segments())) parts.push(bytes);
    writeFileSync(join(blobs, diffId.hex), Buffer.concat(parts));
  }
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const { mediaType, digest, bytes } = image.manifest;
  const annotations = { "org.opencontainers.image.ref.name": "v1" };
  const described = { mediaType, digest: `sha256:${digest.hex}`, size: bytes.length, annotations };
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [described] }));
}
