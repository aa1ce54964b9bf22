import type { AdoptOptions, Layer, WrittenLayer } from "@bootc-store/backend";
import type { Pool } from "@bootc-store/linux";

import { containersStorageErrors } from "./errors.ts";
import { layerId } from "./format/layer-id.ts";
import { defined, isIncomplete, type LayerRecord } from "./format/layers-json.ts";
import { randomId } from "./layer-create.ts";
import { commitLayers, type LayerBlob, StagedLayer } from "./layers-write.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

export interface ImportLayerOptions {
  readonly pool: Pool;
  /** A random one unless given. It is not made of the diff id, so that nothing else can take this layer for another. */
  readonly id?: string;
  readonly parent?: string;
  readonly names?: readonly string[];
  /** The blob that the tar came as, asked for when the tar has been read. */
  readonly blob?: () => LayerBlob;
  readonly signal?: AbortSignal;
}

/** A layer of a tar whose diff id is not known beforehand. */
export async function createLayerFromTar(
  root: StoreRoot,
  layer: Layer,
  options: ImportLayerOptions,
): Promise<LayerRecord> {
  const { places, records } = root;
  places.requireWritable();
  const { pool, id = randomId(), parent, names, signal } = options;
  if ((await records.layers(signal)).get(id) !== undefined) throw taken(id);
  using staged = await StagedLayer.create(places, layer, { pool, diffId: "any", ...defined({ signal }) });
  const commit = { id, parent, staged, ...defined({ names, blob: options.blob?.() }) };
  const [created] = await commitLayers(places, records, [commit], {
    hasParent: () => false,
    ...defined({ signal }),
  });
  const record = (await records.layers(signal)).get(id);
  if (created !== true || record === undefined) throw taken(id);
  return record;
}

export interface WriteLayerOptions extends AdoptOptions {
  readonly pool: Pool;
  readonly parent?: string;
  /** Whether the parent is in another store, which may be read. */
  readonly hasParent: boolean;
}

/** A layer whose diff id is known, by the id that images give it there. One that is there is left as it is. */
export async function writeLayer(
  root: StoreRoot,
  layer: Layer,
  options: WriteLayerOptions,
): Promise<WrittenLayer> {
  const { places, records } = root;
  places.requireWritable();
  const { pool, parent, hasParent, signal, clone } = options;
  const id = layerId(parent, layer.diffId);
  const existing = (await records.layers(signal)).get(id);
  if (existing !== undefined && !isIncomplete(existing)) {
    const none = { files: 0, bytes: 0 };
    const reused = { files: 0, bytes: existing.diffSize ?? 0 };
    return { id, created: false, content: { reused, cloned: none, linked: none, copied: none } };
  }
  using staged = await StagedLayer.create(places, layer, { pool, ...defined({ signal, clone }) });
  const [created] = await commitLayers(places, records, [{ id, parent, staged }], {
    hasParent: () => hasParent,
    ...defined({ signal }),
  });
  return { id, created: created === true, content: staged.applied.content };
}

function taken(id: string): Error {
  return containersStorageErrors.error("layer-id-taken", "that ID is already in use", {
    context: { layer: id },
  });
}
