// An image as its documents and layers, out of any place. Layers come as segments: checked against the blob's digest
// as they are fetched and against the diff id as they are unpacked.

import type { Digest, OperationOptions } from "@bootc-store/core";
import { isStoreError, printDigest } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { decompress, type DecompressOptions } from "../decompress/decompress.ts";
import { ociErrors } from "../errors.ts";
import type { TarLimits } from "../tar/limits.ts";
import { readSegments } from "../tar/reader.ts";
import type { ContentFile, TarSegment } from "../tar/segments.ts";
import { checkedBlob, checkedChunks, collectChecked } from "../transport/checked.ts";
import { abortable } from "../transport/chunks.ts";
import type { ImageTransportSource } from "../transport/port.ts";
import { type ImageConfig, parseConfig } from "./config.ts";
import type { Descriptor, ExactDocument, Platform } from "./descriptor.ts";
import { DOCUMENT_LIMIT, type ImageIndex, type Manifest, parseManifest } from "./manifest.ts";
import { layerCompression } from "./media-types.ts";
import { choosePlatform, hostPlatform } from "./platform.ts";

export interface ReadImageOptions extends OperationOptions, DecompressOptions {
  /** Which image of an index; that of this machine unless given. */
  readonly platform?: Platform;
  readonly tarLimits?: TarLimits;
  /** Called with the manifest before anything else is fetched; throws if the image must not be used. */
  readonly allow?: (manifest: ExactDocument) => Promise<void>;
}

export interface ReadLayerOptions extends OperationOptions {
  /** A chunk, and what a segment has of it, is the caller's only until it asks for the next. */
  readonly reuse?: boolean;
  /** The caller hashes the bytes anyhow and compares the diff id, which is then not done here too. */
  readonly hashed?: boolean;
}

/** A layer as the exact bytes of its tar. It can be read more than once. */
export interface OciLayer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
  /** The blob where it lies as a file of its own, if it does. What the file holds has not been checked. */
  readonly shipped?: { readonly file: ContentFile<Dir>; readonly digest: Digest; readonly size: number };
  /** The uncompressed tar. Ends with `oci/digest-mismatch`, `oci/content-size` or `oci/diff-id-mismatch` if it is another. */
  tar(options?: ReadLayerOptions): AsyncIterable<Uint8Array>;
  /** The same as segments. */
  segments(options?: ReadLayerOptions): AsyncIterable<TarSegment<never>>;
}

/** An image that can be unpacked: one for each layer of its manifest there is a diff id in its configuration. */
export interface OciImage extends AsyncDisposable {
  readonly manifest: ExactDocument;
  readonly config: ExactDocument;
  readonly parsedManifest: Manifest;
  readonly parsedConfig: ImageConfig;
  readonly layers: readonly { readonly blob: Descriptor; readonly diffId: Digest }[];
  openLayer(index: number, options?: OperationOptions): Promise<OciLayer>;
}

const INDEX_DEPTH = 4;

/** The manifest that a source names, chosen out of its indexes. Throws `oci/platform-not-found`. */
export async function readImageManifest(
  source: ImageTransportSource,
  options: ReadImageOptions = {},
): Promise<Manifest> {
  let document = await source.readDocument(options);
  for (let depth = 0; depth <= INDEX_DEPTH; depth++) {
    const parsed: Manifest | ImageIndex = parseManifest(document.bytes, { mediaType: document.mediaType });
    if (parsed.kind === "manifest") {
      await options.allow?.(parsed.document);
      return parsed;
    }
    const entry = choosePlatform(parsed, options.platform ?? hostPlatform());
    document = await source.readDocumentByDigest(entry, options);
  }
  throw ociErrors.error("document-invalid", "indexes are nested too deeply");
}

/** Reads an image's documents. The image takes over the source. */
export async function readImage(
  source: ImageTransportSource,
  options: ReadImageOptions = {},
): Promise<OciImage> {
  const manifest = await readImageManifest(source, options);
  const bytes = await collectChecked(
    await source.openBlob(manifest.config, options),
    manifest.config,
    DOCUMENT_LIMIT,
  );
  const config = parseConfig(bytes, { digest: manifest.config.digest, mediaType: manifest.config.mediaType });
  if (config.diffIds.length !== manifest.layers.length) {
    throw ociErrors.error(
      "layer-count",
      `the manifest has ${manifest.layers.length} layers, the configuration ${config.diffIds.length} diff ids`,
    );
  }
  const layers = manifest.layers.map((blob, at) => ({ blob, diffId: config.diffIds[at] as Digest }));
  return {
    manifest: manifest.document,
    config: config.document,
    parsedManifest: manifest,
    parsedConfig: config,
    layers,
    async openLayer(index) {
      const layer = layers[index];
      if (layer === undefined) throw new RangeError(`no layer ${index}`);
      if (layerCompression(layer.blob.mediaType) === undefined) {
        throw ociErrors.error(
          "layer-type-unsupported",
          `a layer of type "${layer.blob.mediaType.slice(0, 120)}"`,
        );
      }
      const tar: OciLayer["tar"] = (each) => layerTar(source, layer, options, each ?? {});
      const limits = options.tarLimits === undefined ? {} : { limits: options.tarLimits };
      const file = source.blobFile?.(layer.blob);
      return {
        ...layer,
        ...(file === undefined
          ? {}
          : { shipped: { file, digest: layer.blob.digest, size: layer.blob.size } }),
        tar,
        segments: (each) => readSegments(tar(each), limits),
      };
    },
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
    },
  };
}

async function* layerTar(
  source: ImageTransportSource,
  { blob, diffId }: { readonly blob: Descriptor; readonly diffId: Digest },
  options: ReadImageOptions,
  { signal, reuse = false, hashed = false }: ReadLayerOptions,
): AsyncGenerator<Uint8Array> {
  const content = await source.openBlob(blob, signal === undefined ? {} : { signal });
  const plain = printDigest(blob.digest) === printDigest(diffId);
  // A decompressor is done with a chunk before it takes the next.
  const shipped = abortable(checkedBlob(content, blob, reuse || !plain), signal);
  // A plain tar has one digest under two names, and one look at it is enough.
  if (plain) {
    yield* decompress(shipped, { ...options, compression: "none" });
    return;
  }
  if (hashed) {
    yield* decompress(shipped, { ...options, reuse });
    return;
  }
  try {
    yield* checkedChunks(decompress(shipped, { ...options, reuse }), { digest: diffId }, "layer");
  } catch (error) {
    // What has the blob's digest and not the diff id is the image's own contradiction.
    const own = isStoreError(error, "oci/digest-mismatch") && error.context.digest === printDigest(diffId);
    if (!own) throw error;
    throw ociErrors.error("diff-id-mismatch", error.message, { context: error.context });
  }
}
