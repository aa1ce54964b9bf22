// One record of an index, changed while the index is locked. What is refused is that there is no such record.

import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import type { ImageRecord } from "./format/images-json.ts";
import type { LayerRecord } from "./format/layers-json.ts";
import { withRecord } from "./with-record.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

/** A name that the changed image has goes from all others. Throws `containers-storage/image-not-found`. */
export async function changeImage(
  root: StoreRoot,
  id: string,
  work: (record: ImageRecord) => ImageRecord,
  signal: AbortSignal | undefined,
): Promise<ImageRecord> {
  return await root.records.change(["images"], signal, async (change) => {
    const record = change.images.get(id);
    if (record === undefined) {
      throw containersStorageErrors.error("image-not-found", `image not known: ${id}`, {
        context: { image: id },
      });
    }
    const next = work(record);
    change.saveImages(withRecord(change.images.records, next));
    return next;
  });
}

/** The same of a layer; one that stays what it is is not saved. Throws `containers-storage/layer-not-found`. */
export async function changeLayer(
  root: StoreRoot,
  id: string,
  work: (record: LayerRecord) => LayerRecord,
  signal: AbortSignal | undefined,
): Promise<LayerRecord> {
  return await root.records.change(["layers"], signal, async (change) => {
    const record = change.layers.get(id);
    if (record === undefined) {
      throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
        context: { layer: id },
      });
    }
    const next = work(record);
    if (next !== record) await change.saveLayers(withRecord(change.layers.all, next));
    return next;
  });
}

/** The same of a container. Throws `containers-storage/container-not-found`. */
export async function changeContainer(
  root: StoreRoot,
  id: string,
  work: (record: ContainerRecord) => ContainerRecord,
  signal: AbortSignal | undefined,
): Promise<ContainerRecord> {
  return await root.records.change(["containers"], signal, async (change) => {
    const record = change.containers.find((each) => each.id === id);
    if (record === undefined) {
      throw containersStorageErrors.error("container-not-found", "container not known", {
        context: { container: id },
      });
    }
    const next = work(record);
    change.saveContainers(withRecord(change.containers, next));
    return next;
  });
}
