import type { Layer } from "@bootc-store/backend";
import { crashPoint } from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";

import { containersStorageErrors } from "./errors.ts";
import { defined, type LayerRecord } from "./format/layers-json.ts";
import { diffFields, type LayerBlob, removeIncomplete, StagedLayer } from "./layers-write.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

export interface FillLayerOptions {
  readonly pool: Pool;
  /** The blob that the tar came as, once the tar has been read. */
  readonly blob?: () => LayerBlob | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Gives an empty layer its content: what `containers-storage apply-diff` does. One that has content, or a diff, is refused,
 * since there would be no tar that gives both. Throws `containers-storage/layer-not-found`, `layer-in-use`.
 */
export async function fillLayer(
  root: StoreRoot,
  id: string,
  tar: Layer,
  options: FillLayerOptions,
): Promise<LayerRecord> {
  const { places, records } = root;
  places.requireWritable();
  const { pool, signal } = options;
  using staged = await StagedLayer.create(places, tar, { pool, diffId: "any", ...defined({ signal }) });
  return await records.change(["layers"], signal, async (change) => {
    await removeIncomplete(places, change);
    const record = change.layers.get(id);
    if (record === undefined) {
      throw containersStorageErrors.error("layer-not-found", "layer not known", { context: { layer: id } });
    }
    const refuse = (why: string): Error =>
      containersStorageErrors.error("layer-in-use", why, { context: { layer: id } });
    if ((await records.mountpoints(signal)).some((each) => each.id === id)) throw refuse("layer is mounted");
    using diff = places.dir("content").openDir(places.diffPath(id));
    if (record.diffDigest !== undefined || diff.list({ limit: 1 << 20 }).length > 0)
      throw refuse("layer has a diff already, and another one on top could not be told apart from it");
    // Content first: a layer with files and without a tar-split is what a container's is too.
    staged.fill(places, id);
    crashPoint("containers-storage/fill-layer/after-content");
    const filled = { ...record, ...diffFields(staged.applied, options.blob?.()) };
    await change.saveLayers(change.layers.all.map((each) => (each === record ? filled : each)));
    return filled;
  });
}
