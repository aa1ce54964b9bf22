import type { Image, ImageLayer, Layer } from "@bootc-store/backend";
import { equalDigests, type OperationOptions, printDigest } from "@bootc-store/core";

import { parseConfig, parseManifest } from "@bootc-store/oci";

import { readBigData } from "../big-data.ts";
import { containersStorageErrors } from "../errors.ts";
import type { ImageRecord } from "../format/images-json.ts";
import type { LayerRecord } from "../format/layers-json.ts";
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
  const manifest = parseManifest(manifestBytes);
  if (manifest.kind === "index") {
    throw containersStorageErrors.error(
      "feature-unsupported",
      `image ${record.id} is a list of images, which has no layers of its own`,
      { context: { image: record.id } },
    );
  }
  const configKey = printDigest(manifest.config.digest);
  const configBytes = readBigData(places, "images", record.id, configKey);
  const { mediaType, digest } = manifest.config;
  const config = parseConfig(configBytes, { mediaType, digest });
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
    manifest: manifest.document,
    config: config.document,
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
