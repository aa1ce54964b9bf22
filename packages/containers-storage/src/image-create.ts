import type { Digest } from "@bootc-store/core";

import { withBigData, writeBigData } from "./big-data.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ImageRecord } from "./format/images-json.ts";
import { defined } from "./format/layers-json.ts";
import { timeNow } from "./format/record.ts";
import { withRecord } from "./image-records.ts";
import { randomId } from "./layer-create.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

export interface CreateImageOptions {
  readonly id?: string;
  readonly names?: readonly string[];
  /** The top layer, which must be there. */
  readonly layer?: string;
  readonly digest?: Digest;
  readonly metadata?: string;
  readonly signal?: AbortSignal;
}

/** Makes an image's record without any items. A name that is taken is an error here. */
export async function createImage(root: StoreRoot, options: CreateImageOptions): Promise<ImageRecord> {
  const { id = randomId(), names = [], layer, digest, metadata, signal } = options;
  return await root.records.change(["layers", "images"], signal, async (change) => {
    if (layer !== undefined && change.layers.get(layer) === undefined) {
      throw containersStorageErrors.error("layer-not-found", "layer not known", { context: { layer } });
    }
    if (change.images.get(id) !== undefined) {
      throw containersStorageErrors.error("image-id-taken", "that ID is already in use", {
        context: { image: id },
      });
    }
    for (const name of names) {
      const owner = change.images.records.find((each) => each.names.includes(name));
      if (owner === undefined) continue;
      const message = `image name "${name}" is already associated with image "${owner.id}": that name is already in use`;
      throw containersStorageErrors.error("image-id-taken", message, { context: { image: id } });
    }
    const record: ImageRecord = {
      id,
      names,
      namesHistory: [],
      ...defined({ layer, digest, metadata }),
      mappedLayers: [],
      bigDataNames: [],
      bigDataSizes: new Map(),
      bigDataDigests: new Map(),
      created: timeNow(),
      flags: {},
      unknown: {},
    };
    change.saveImages([...change.images.records, record]);
    return record;
  });
}

export async function setMetadata(
  root: StoreRoot,
  id: string,
  metadata: string,
  signal?: AbortSignal,
): Promise<void> {
  await changeImage(root, id, (record) => ({ ...record, metadata }), signal);
}

/** Stores an item under a key. The first manifest that an image without a digest gets is its digest. */
export async function setImageItem(
  root: StoreRoot,
  id: string,
  key: string,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const change = (record: ImageRecord): ImageRecord => {
    writeBigData(root.places, "images", id, key, bytes);
    const next = withBigData(record, key, bytes);
    const digest = key.startsWith("manifest") ? next.bigDataDigests.get(key) : undefined;
    return { ...next, ...defined({ digest: record.digest ?? digest }) };
  };
  await changeImage(root, id, change, signal);
}

async function changeImage(
  root: StoreRoot,
  id: string,
  work: (record: ImageRecord) => ImageRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await root.records.change(["images"], signal, async (change) => {
    const record = change.images.get(id);
    if (record === undefined) {
      throw containersStorageErrors.error("image-not-found", "image not known", { context: { image: id } });
    }
    change.saveImages(withRecord(change.images.records, work(record)));
  });
}
