// An image out of a store to any place that images can be in. Stores keep layers as what they hold, not as the blobs they
// came in: where a blob was compressed, another program's compression cannot be made again to the bit, so the image goes out
// with its layers as plain tars, or compressed anew, and with another manifest around the same configuration.

import { createHash } from "node:crypto";
import { createGzip } from "node:zlib";
import { Readable } from "node:stream";

import type { Image } from "@bootc-store/backend";
import {
  type BackendKind,
  type Digest,
  digestFromHex,
  type OperationOptions,
  printDigest,
  signalOf,
  throwIfAborted,
} from "@bootc-store/core";
import {
  type BlobContent,
  copyImage,
  type Descriptor,
  type ExactDocument,
  type ImageTransportSink,
  type ImageTransportSource,
  type JsonObject,
  type JsonValue,
  MEDIA_TYPES,
  parseJson,
  segmentBytes,
} from "@bootc-store/oci";

import { storageErrors } from "../errors.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { listRootImages } from "./images.ts";
import { findImage } from "./remove-image.ts";

export interface ExportOptions extends OperationOptions {
  /** Layers whose blobs cannot be made again: as plain tars (the default), or compressed. */
  readonly compression?: "none" | "gzip";
  /** Refuses an image that would get another digest, with `storage/digest-lost`. */
  readonly keepDigest?: boolean;
}

export interface ExportedImage {
  readonly from: BackendKind;
  readonly digest: Digest;
  /** Whether that is the digest that the image has in the store. */
  readonly kept: boolean;
}

/** Throws `storage/image-missing`, `storage/digest-lost`, and what the destination throws. */
export async function exportImage(
  stores: ExistingStores,
  reference: string,
  sink: ImageTransportSink,
  options: ExportOptions = {},
): Promise<ExportedImage> {
  const found = findImage(await listRootImages(stores, options), reference);
  const { containersStorage, composefs } = stores;
  const stored = found.stores["containers-storage"];
  const kind = containersStorage !== undefined && stored !== undefined ? "containers-storage" : "composefs";
  const id = kind === "composefs" ? found.stores.composefs : stored;
  const store = kind === "composefs" ? composefs : containersStorage;
  await using image = id === undefined ? undefined : await store?.openImage(id, options);
  if (image === undefined) {
    throw storageErrors.error(
      "image-missing",
      `${reference} is in neither containers-storage nor composefs; ostree keeps no layers that could be written out`,
      { context: { ref: reference } },
    );
  }
  await using source = await StoredImageSource.create(image, options);
  if (!source.kept && options.keepDigest === true) {
    throw storageErrors.error(
      "digest-lost",
      `the layers of ${reference} came compressed and are kept as what they hold, so its digest cannot be kept`,
      { context: { ref: reference, digest: printDigest(image.manifest.digest) } },
    );
  }
  const { document } = await copyImage(source, sink, signalOf(options));
  return { from: kind, digest: document.digest, kept: source.kept };
}

/** An image of a store as a place that it can be copied from. */
class StoredImageSource implements ImageTransportSource {
  readonly kept: boolean;
  readonly #image: Image;
  readonly #manifest: ExactDocument;
  /** Which layer a blob is, and whether it is compressed on the way. */
  readonly #blobs: ReadonlyMap<string, { readonly index: number; readonly gzip: boolean }>;

  private constructor(
    image: Image,
    manifest: ExactDocument,
    blobs: ReadonlyMap<string, { readonly index: number; readonly gzip: boolean }>,
  ) {
    this.#image = image;
    this.#manifest = manifest;
    this.#blobs = blobs;
    this.kept = manifest === image.manifest;
  }

  static async create(image: Image, options: ExportOptions): Promise<StoredImageSource> {
    const blobs = new Map<string, { readonly index: number; readonly gzip: boolean }>();
    const plain = image.layers.every(
      ({ blob, diffId }) => blob !== undefined && printDigest(blob.digest) === printDigest(diffId),
    );
    if (plain) {
      for (const [index, { diffId }] of image.layers.entries())
        blobs.set(printDigest(diffId), { index, gzip: false });
      return new StoredImageSource(image, image.manifest, blobs);
    }
    const gzip = options.compression === "gzip";
    const layers: JsonObject[] = [];
    for (const [index, { diffId }] of image.layers.entries()) {
      throwIfAborted(options.signal);
      const { digest, size } = gzip
        ? await measureCompressed(image, index, options)
        : { digest: diffId, size: await tarSize(image, index, options) };
      blobs.set(printDigest(digest), { index, gzip });
      layers.push({
        mediaType: gzip ? MEDIA_TYPES.layerGzip : MEDIA_TYPES.layer,
        digest: printDigest(digest),
        size,
      });
    }
    return new StoredImageSource(image, manifestOf(image, layers), blobs);
  }

  async readDocument(): Promise<ExactDocument> {
    await Promise.resolve();
    return this.#manifest;
  }

  async readDocumentByDigest(descriptor: Descriptor): Promise<ExactDocument> {
    await Promise.resolve();
    throw missing(descriptor);
  }

  async openBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<BlobContent> {
    const { config } = this.#image;
    const digest = printDigest(descriptor.digest);
    if (digest === printDigest(config.digest)) {
      return { size: config.bytes.length, read: () => once(config.bytes) };
    }
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw missing(descriptor);
    const tar = await tarOf(this.#image, blob.index, options);
    return { size: descriptor.size, read: () => (blob.gzip ? compressed(tar) : tar) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function missing({ digest }: Descriptor): Error {
  return storageErrors.error("image-missing", `the image has no blob ${printDigest(digest)}`, {
    context: { digest: printDigest(digest) },
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

async function tarOf(
  image: Image,
  index: number,
  options: OperationOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const layer = await image.openLayer(index, signalOf(options));
  return segmentBytes(layer.segments(signalOf(options)));
}

function compressed(tar: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return Readable.from(tar, { objectMode: false }).compose(createGzip()) as AsyncIterable<Uint8Array>;
}

/** Bytes of a layer's plain tar: as the store knows them, else counted. */
async function tarSize(image: Image, index: number, options: OperationOptions): Promise<number> {
  const { size } = await image.openLayer(index, signalOf(options));
  if (size !== undefined) return size;
  let counted = 0;
  for await (const { length } of await tarOf(image, index, options)) counted += length;
  return counted;
}

/** A layer's digest and size as it will be compressed. The same input is compressed to the same bytes each time. */
async function measureCompressed(
  image: Image,
  index: number,
  options: OperationOptions,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of compressed(await tarOf(image, index, options))) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: digestFromHex("sha256", hash.digest("hex")), size };
}

/** The image's manifest in OCI's form with other layers; its annotations are kept. */
function manifestOf(image: Image, layers: readonly JsonObject[]): ExactDocument {
  const before = parseJson(image.manifest.bytes, { what: "manifest" });
  const annotations = isObject(before) ? before["annotations"] : undefined;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: {
        mediaType: MEDIA_TYPES.config,
        digest: printDigest(image.config.digest),
        size: image.config.bytes.length,
      },
      layers,
      ...(isObject(annotations) ? { annotations } : {}),
    }),
  );
  const digest = digestFromHex("sha256", createHash("sha256").update(bytes).digest("hex"));
  return { mediaType: MEDIA_TYPES.manifest, digest, bytes };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
