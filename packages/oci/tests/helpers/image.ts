// A small image in memory, as a source.
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";

import { parseDigest, printDigest, utf8 } from "@bootc-store/core";

import {
  type BlobContent,
  type Descriptor,
  type ExactDocument,
  exactDocument,
  type ImageTransportSource,
  MEDIA_TYPES,
  type TarEntryToWrite,
  writeTar,
} from "../../src/index.ts";

export async function* chunksOf(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A tar of files by name. */
export async function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const items = Object.entries(files).map(([name, text]): TarEntryToWrite => {
    const content = typeof text === "string" ? Buffer.from(text) : text;
    return { entry: { type: "file", name: utf8(name), size: content.length }, content };
  });
  return Buffer.concat(await Array.fromAsync(writeTar(items)));
}

export class MemorySource implements ImageTransportSource {
  readonly blobs = new Map<string, Uint8Array>();
  top: ExactDocument = exactDocument("", new Uint8Array(0));

  add(mediaType: string, bytes: Uint8Array): { mediaType: string; digest: string; size: number } {
    const digest = `sha256:${sha256(bytes)}`;
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async readDocument(): Promise<ExactDocument> {
    return this.top;
  }

  async readDocumentByDigest(descriptor: Descriptor): Promise<ExactDocument> {
    const bytes = this.blobs.get(printDigest(descriptor.digest)) as Uint8Array;
    return { mediaType: descriptor.mediaType, digest: descriptor.digest, bytes };
  }

  async openBlob(descriptor: Descriptor): Promise<BlobContent> {
    const bytes = this.blobs.get(printDigest(descriptor.digest)) as Uint8Array;
    return { size: bytes.length, read: () => chunksOf(bytes) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export type LayerForm = "plain" | "gzip" | "zstd";

const FORMS = {
  plain: [MEDIA_TYPES.layer, (tar: Buffer): Buffer => tar],
  gzip: [MEDIA_TYPES.layerGzip, (tar: Buffer): Buffer => gzipSync(tar)],
  zstd: [MEDIA_TYPES.layerZstd, (tar: Buffer): Buffer => zstdCompressSync(tar)],
} as const;

/** An image of these layers; `platform` makes it one of an index. */
export function makeImage(
  layers: readonly (readonly [tar: Buffer, form: LayerForm])[],
  options: { readonly source?: MemorySource; readonly os?: string; readonly architecture?: string } = {},
): MemorySource {
  const source = options.source ?? new MemorySource();
  const config = {
    architecture: options.architecture ?? "amd64",
    os: options.os ?? "linux",
    config: { Labels: { made: "here" } },
    rootfs: { type: "layers", diff_ids: layers.map(([tar]) => `sha256:${sha256(tar)}`) },
    history: layers.map((_, at) => ({ created_by: `layer ${at}` })),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: source.add(MEDIA_TYPES.config, Buffer.from(JSON.stringify(config))),
    layers: layers.map(([tar, form]) => source.add(FORMS[form][0], FORMS[form][1](tar))),
  };
  source.top = exactDocument(MEDIA_TYPES.manifest, Buffer.from(JSON.stringify(manifest)));
  return source;
}

/** An index of images for these architectures, each of one layer. */
export async function makeIndex(architectures: readonly string[]): Promise<MemorySource> {
  const source = new MemorySource();
  const manifests: object[] = [];
  for (const architecture of architectures) {
    makeImage([[await tarOf({ arch: architecture }), "gzip"]], { source, architecture });
    const entry = source.add(MEDIA_TYPES.manifest, source.top.bytes);
    manifests.push({ ...entry, platform: { os: "linux", architecture } });
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests };
  source.top = exactDocument(MEDIA_TYPES.index, Buffer.from(JSON.stringify(index)));
  return source;
}

export function digestOf(bytes: Uint8Array): ReturnType<typeof parseDigest> {
  return parseDigest(`sha256:${sha256(bytes)}`);
}
