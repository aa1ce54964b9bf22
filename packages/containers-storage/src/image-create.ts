import type { Digest } from "@bootc-store/core";

import { containersStorageErrors } from "./errors.ts";
import type { ImageRecord } from "./format/images-json.ts";
import { defined } from "./format/layers-json.ts";
import { timeNow } from "./format/record.ts";
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
