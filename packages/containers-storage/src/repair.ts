// Removes what is damaged, as `containers-storage check --repair` does: nothing is mended, what was lost is fetched again.
// What a container stands on stays.

import { isStoreError, throwIfAborted } from "@bootc-store/core";

import { Cleanup } from "./cleanup.ts";
import { deleteContainer } from "./containers.ts";
import { deleteImages } from "./delete.ts";
import { chainOf } from "./disk-usage.ts";
import type { ImageRecord } from "./format/images-json.ts";
import { applyGc, type GarbageOptions, planGc } from "./gc.ts";
import { removeIncomplete, takeLayers } from "./layers-write.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import type { Change } from "./change.ts";
import { verifyStore } from "./verify.ts";

/** What a repair removed, and what it could not. */
export interface StoreRepair {
  readonly images: readonly string[];
  /** Only where that was allowed. */
  readonly containers: readonly string[];
  /** Damaged ones and those above them; layers that only the removed images needed are not named. */
  readonly layers: readonly string[];
  /** Damaged, and left because a container stands on it, or something that one stands on. */
  readonly kept: readonly StoreDamage[];
}

/** A damaged image or layer, or one that stands on a damaged layer. */
export interface StoreDamage {
  readonly kind: "image" | "layer";
  readonly id: string;
  /** Why it was left. */
  readonly why: string;
}

/**
 * Looks at everything and removes images and layers that are damaged, those that stand on damaged layers, and what nobody
 * needs.
 * @param hasLayer whether a layer that is not in this store is in an additional one
 */
export async function repairStore(
  root: StoreRoot,
  options: GarbageOptions & {
    readonly hasLayer: (id: string) => boolean;
    readonly signal?: AbortSignal;
    /** Containers that are damaged or stand on what is are removed first. */
    readonly force?: boolean;
  },
): Promise<StoreRepair> {
  const { signal } = options;
  root.places.requireWritable();
  const damaged = { image: new Set<string>(), layer: new Set<string>(), container: new Set<string>() };
  for await (const { severity, subject } of verifyStore(root, { depth: "content", ...options })) {
    if (severity !== "error") continue;
    if (subject.kind === "image" || subject.kind === "layer" || subject.kind === "container")
      damaged[subject.kind].add(subject.id);
  }
  throwIfAborted(signal);
  const kept: StoreDamage[] = [];
  const containers = options.force === true ? await containersOn(root, damaged, signal) : [];
  for (const id of containers) await deleteContainer(root, id, signal);
  const images: string[] = [];
  for (const id of await imagesOn(root, damaged, signal)) {
    try {
      const select = ({ images: all }: Change): ImageRecord[] =>
        all.records.filter((record) => record.id === id);
      if ((await deleteImages(root, select, signal)).length > 0) images.push(id);
    } catch (error) {
      if (!isStoreError(error, "containers-storage/image-in-use", "containers-storage/layer-in-use"))
        throw error;
      kept.push({ kind: "image", id, why: error.message });
    }
  }
  const layers = await removeLayers(root, damaged.layer, kept, signal);
  const plan = await planGc(root, [], signal, options);
  await applyGc(root, plan, signal, options);
  return { images, containers, layers, kept };
}

async function containersOn(
  { records }: StoreRoot,
  damaged: { readonly layer: ReadonlySet<string>; readonly container: ReadonlySet<string> },
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { layers, containers } = await records.snapshot(signal);
  return containers
    .filter(
      ({ id, layer }) =>
        damaged.container.has(id) || chainOf(layers, layer).some((each) => damaged.layer.has(each)),
    )
    .map(({ id }) => id);
}

async function imagesOn(
  { records }: StoreRoot,
  damaged: { readonly image: ReadonlySet<string>; readonly layer: ReadonlySet<string> },
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const layers = await records.layers(signal);
  const bad = ({ id, layer }: { readonly id: string; readonly layer?: string }): boolean =>
    damaged.image.has(id) || chainOf(layers, layer).some((each) => damaged.layer.has(each));
  return [...(await records.images(signal))].filter(bad).map(({ id }) => id);
}

/** Top first, so that a layer has no children when its turn comes; one that has is kept. */
async function removeLayers(
  { places, records }: StoreRoot,
  damaged: ReadonlySet<string>,
  kept: StoreDamage[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  if (damaged.size === 0) return [];
  using late = new Cleanup();
  return await records.change(["layers", "images", "containers"], signal, async (change) => {
    await removeIncomplete(places, change);
    const mounted = new Set((await records.mountpoints(signal)).map(({ id }) => id));
    const needed = new Set([...change.images].flatMap(({ layer }) => chainOf(change.layers, layer)));
    const used = new Set(change.containers.flatMap(({ layer }) => chainOf(change.layers, layer)));
    const depths = [...change.layers]
      .map(({ id }) => chainOf(change.layers, id))
      .filter((chain) => chain.some((each) => damaged.has(each)))
      .sort((a, b) => b.length - a.length);
    const gone: string[] = [];
    for (const [id] of depths) {
      if (id === undefined) continue;
      const why = used.has(id)
        ? "layer is in use by a container"
        : needed.has(id)
          ? "layer is in use by an image"
          : mounted.has(id)
            ? "layer is mounted"
            : change.layers.children(id).some((child) => !gone.includes(child))
              ? "layer has children"
              : undefined;
      if (why === undefined) gone.push(id);
      else if (damaged.has(id)) kept.push({ kind: "layer", id, why });
    }
    if (gone.length > 0) late.use(await takeLayers(places, change, gone));
    return gone;
  });
}
