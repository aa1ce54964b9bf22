// Images and layers out of the store, as the real library does it: records first, files put away under the locks, and
// removed after the locks were given up.

import { crashPoint, isStoreError, utf8 } from "@bootc-store/core";

import { Cleanup } from "./cleanup.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ImageRecord } from "./format/images-json.ts";
import { removeIncomplete, takeLayers } from "./layers-write.ts";
import type { StorePlaces } from "./places.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import { undo } from "./undo.ts";
import type { Change } from "./change.ts";

const ALL = ["layers", "images", "containers"] as const;

export interface DeletedImage {
  readonly id: string;
  /** Layers that nobody else needed, top first. */
  readonly layers: readonly string[];
}

/**
 * Removes images and the layers that only they needed, all together or, if one is used by a container, none.
 * @param select which ones, from what is there when the locks are held
 * @param options with `test` nothing is removed
 */
export async function deleteImages(
  root: StoreRoot,
  select: (change: Change) => readonly ImageRecord[],
  signal: AbortSignal | undefined,
  options: { readonly test?: boolean } = {},
): Promise<readonly DeletedImage[]> {
  using removed = new Cleanup();
  const { places, records } = root;
  return await records.change(ALL, signal, async (change) => {
    await removeIncomplete(places, change);
    const mounted = await records.mountpoints(signal);
    const deleted: DeletedImage[] = [];
    const selected = select(change);
    for (const image of selected) assertUnused(change, image);
    for (const image of selected) {
      const layers = layersToRemove(change, image);
      const busy = mounted.find(({ id }) => layers.includes(id));
      if (busy !== undefined) throw inUse(busy.id, "layer is mounted");
      deleted.push({ id: image.id, layers });
      if (options.test === true) continue;
      const before = change.images.records;
      try {
        change.saveImages(before.filter((record) => record.id !== image.id));
        crashPoint("containers-storage/delete-image/after-record");
        if (layers.length > 0) removed.use(await takeLayers(places, change, layers));
      } catch (error) {
        await undo(error, () => change.saveImages(before));
      }
      crashPoint("containers-storage/delete-image/after-layers");
      removeItems(places, image.id);
    }
    return deleted;
  });
}

/** The items of an image that is gone: what stays of them is garbage, and no reason to say that the image is still there. */
function removeItems(places: StorePlaces, id: string): void {
  try {
    places.dir("images").removeAll(utf8(id));
  } catch (error) {
    if (!isStoreError(error)) throw error;
    places.log.log("warn", `items of a removed image stay until the next gc: ${error.message}`, {
      image: id,
      code: error.code,
    });
  }
}

/** Removes one layer. Throws `containers-storage/layer-in-use`, `layer-not-found`. */
export async function deleteLayer(
  root: StoreRoot,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  using removed = new Cleanup();
  const { places, records } = root;
  await records.change(ALL, signal, async (change) => {
    const mounted = await records.mountpoints(signal);
    if (change.layers.get(id) === undefined) {
      throw containersStorageErrors.error("layer-not-found", "layer not known", { context: { layer: id } });
    }
    if (change.layers.children(id).length > 0) throw inUse(id, "layer has children");
    if (topsOf(change.images).has(id)) throw inUse(id, "layer is in use by an image");
    if (change.containers.some(({ layer }) => layer === id))
      throw inUse(id, "layer is in use by a container");
    if (mounted.some((each) => each.id === id)) throw inUse(id, "layer is mounted");
    removed.use(await takeLayers(places, change, [id]));
  });
}

/**
 * Removes an image's record and items, or a layer, whatever stands on it: what `containers-storage delete` does, which leaves
 * an image's layers. Only what is mounted stays.
 */
export async function removeUnchecked(
  root: StoreRoot,
  what: { readonly image?: string; readonly layer?: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  using removed = new Cleanup();
  const { places, records } = root;
  await records.change(ALL, signal, async (change) => {
    const { image, layer } = what;
    if (image !== undefined) {
      change.saveImages(change.images.records.filter(({ id }) => id !== image));
      removeItems(places, image);
    }
    if (layer === undefined || change.layers.get(layer) === undefined) return;
    const mounted = await records.mountpoints(signal);
    if (mounted.some((each) => each.id === layer)) throw inUse(layer, "layer is mounted");
    removed.use(await takeLayers(places, change, [layer]));
  });
}

function assertUnused({ containers }: Change, image: ImageRecord): void {
  const user = containers.find((container) => container.image === image.id);
  if (user === undefined) return;
  throw containersStorageErrors.error(
    "image-in-use",
    `image used by ${user.id}: image is in use by a container`,
    {
      context: { image: image.id, container: user.id },
    },
  );
}

/** From the top down, until one is met that somebody else needs. */
function layersToRemove({ layers, images, containers }: Change, image: ImageRecord): string[] {
  const others = topsOf([...images].filter(({ id }) => id !== image.id));
  const ofContainers = new Set(containers.map(({ layer }) => layer));
  const removed = new Set<string>();
  const isFree = (id: string): boolean =>
    !others.has(id) && !ofContainers.has(id) && layers.children(id).every((child) => removed.has(child));
  for (const mapped of image.mappedLayers) {
    if (layers.get(mapped) !== undefined && isFree(mapped)) removed.add(mapped);
  }
  for (
    let id = image.layer;
    id !== undefined && layers.get(id) !== undefined && !removed.has(id) && isFree(id);
  ) {
    removed.add(id);
    id = layers.get(id)?.parent;
  }
  return [...removed];
}

/** Layers at the top of images. */
export function topsOf(images: Iterable<ImageRecord>): Set<string> {
  const tops = new Set<string>();
  for (const { layer, mappedLayers } of images) {
    if (layer !== undefined) tops.add(layer);
    for (const mapped of mappedLayers) tops.add(mapped);
  }
  return tops;
}

function inUse(id: string, why: string): Error {
  return containersStorageErrors.error("layer-in-use", why, { context: { layer: id } });
}
