// Images out of a few lines, as values: for tests that need an image and not a place that holds it.

import { createHash } from "node:crypto";

import type { Image, Layer } from "@bootc-store/backend";
import { digestFromHex } from "@bootc-store/core";
import { readSegments, type TarEntryToWrite, writeTar } from "@bootc-store/oci";

export type LayerPlan = readonly TarEntryToWrite[];

export interface ImagePlan {
  readonly layers: readonly LayerPlan[];
  /** Added to the configuration's `config`. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly architecture?: string;
  /** When the image says it was made. */
  readonly created?: string;
}

/** An image with its layers as uncompressed tars in memory. The same plan gives the same digests. */
export async function buildImage(plan: ImagePlan): Promise<Image & { readonly tars: readonly Uint8Array[] }> {
  const tars: Uint8Array[] = [];
  for (const layer of plan.layers) {
    const parts: Uint8Array[] = [];
    for await (const part of writeTar(layer)) parts.push(part);
    tars.push(Buffer.concat(parts));
  }
  const config = json({
    architecture: plan.architecture ?? "amd64",
    os: "linux",
    ...(plan.created === undefined ? {} : { created: plan.created }),
    config: { Labels: plan.labels ?? {} },
    rootfs: { type: "layers", diff_ids: tars.map((tar) => `sha256:${sha256(tar)}`) },
    history: tars.map(() => ({ created_by: "test" })),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: `sha256:${sha256(config)}`, size: config.length },
    layers: tars.map((tar) => ({ mediaType: LAYER, digest: `sha256:${sha256(tar)}`, size: tar.length })),
  });
  return {
    tars,
    config: { mediaType: CONFIG, digest: digestFromHex("sha256", sha256(config)), bytes: config },
    manifest: { mediaType: MANIFEST, digest: digestFromHex("sha256", sha256(manifest)), bytes: manifest },
    layers: tars.map((tar) => {
      const digest = digestFromHex("sha256", sha256(tar));
      return { diffId: digest, blob: { digest, size: tar.length, mediaType: LAYER } };
    }),
    openLayer: async (index) => layerOf(tars[index] as Uint8Array),
    async [Symbol.asyncDispose]() {},
  };
}

/** A tar in memory as a layer. */
export function layerOf(tar: Uint8Array): Layer {
  return {
    diffId: digestFromHex("sha256", sha256(tar)),
    size: tar.length,
    segments: () => readSegments(inPieces(tar)),
  };
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

const PIECE = 64 * 1024;

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
