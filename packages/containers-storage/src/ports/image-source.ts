import type { Image, ImageLayer, Layer } from "@bootc-store/backend";
import { equalDigests, type OperationOptions, printDigest } from "@bootc-store/core";

import { readBigData } from "../big-data.ts";
import { containersStorageErrors } from "../errors.ts";
import type { ImageRecord } from "../format/images-json.ts";
import type { LayerRecord } from "../format/layers-json.ts";
import { documentOf, readConfig, readManifest } from "../image-documents.ts";
import { openLayerRecord, type StoreRoot } from "./layer-source.ts";

/** A layer, and the store that has it. */
export interface PlacedLayer {
  readonly root: StoreRoot;
  readonly record: LayerRecord;
}

/**
 * An image of the store: manifest and config as they were given, and its layers by the tar that the store can make.
 * A layer's blob is named only where the record vouches for it.
 * @param chain the image's layers, lowest first
 */
export function openImageRecord(root: StoreRoot, record: ImageRecord, chain: readonly PlacedLayer[]): Image {
  const { places } = root;
  const manifestBytes = readBigData(places, "images", record.id, "manifest");
  const manifest = readManifest(manifestBytes);
  const digest = record.bigDataDigests.get("manifest") ?? record.digest;
  if (digest === undefined) throw invalid(record, "the digest of its manifest is not known");
  const configKey = printDigest(manifest.config.digest);
  const configBytes = readBigData(places, "images", record.id, configKey);
  const config = readConfig(configBytes);
  const layers = chain.map(({ record: layer }, at): ImageLayer => {
    const diffId = layer.diffDigest ?? config.diffIds[at];
    if (diffId === undefined) throw invalid(record, `the diff id of layer ${at} is not known`);
    const blob = chain.length === manifest.layers.length ? manifest.layers[at] : undefined;
    const vouched =
      blob !== undefined &&
      [layer.compressedDiffDigest, layer.diffDigest].some(
        (known) => known !== undefined && equalDigests(known, blob.digest),
      );
    return { diffId, ...(vouched ? { blob } : {}) };
  });
  return {
    manifest: documentOf(manifestBytes, digest, manifest.mediaType),
    config: documentOf(configBytes, manifest.config.digest, manifest.config.mediaType),
    layers,
    async openLayer(index: number, _options?: OperationOptions): Promise<Layer> {
      const placed = chain[index];
      if (placed === undefined) throw invalid(record, `it has no layer ${index}`);
      return openLayerRecord(placed.root, placed.record);
    },
    async [Symbol.asyncDispose]() {},
  };
}

function invalid(record: ImageRecord, problem: string): Error {
  return containersStorageErrors.error("image-invalid", `image ${record.id}: ${problem}`, {
    context: { image: record.id },
  });
}
