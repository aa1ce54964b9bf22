import type { ImageRecord } from "./format/images-json.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import type { LayerTable } from "./tables.ts";

/** Bytes of an image, by the sizes that the records have: what podman says of it. */
export interface ImageUsage {
  readonly id: string;
  readonly names: readonly string[];
  /** `shared` and `unique` together. */
  readonly size: number;
  /** Of layers that other images have too. */
  readonly shared: number;
  /** Of layers that no other image has, and of the image's own items. */
  readonly unique: number;
  /** Containers that use it. */
  readonly containers: number;
}

export interface DiskUsage {
  /** Every layer once, and every image's items. */
  readonly total: number;
  /** Of images that no container uses, as far as removing them all would free it. */
  readonly reclaimable: number;
  readonly images: readonly ImageUsage[];
  readonly layers: readonly { readonly id: string; readonly size: number; readonly images: number }[];
}

export async function diskUsage({ records }: StoreRoot, signal: AbortSignal | undefined): Promise<DiskUsage> {
  const layers = await records.layers(signal);
  const images = await records.images(signal);
  const containers = await records.containers(signal);
  const users = new Map<string, number>();
  const chains = new Map<ImageRecord, string[]>();
  for (const image of images) {
    const chain = chainOf(layers, image.layer);
    chains.set(image, chain);
    for (const id of chain) users.set(id, (users.get(id) ?? 0) + 1);
  }
  const sizeOf = (id: string): number => Math.max(0, layers.get(id)?.diffSize ?? 0);
  const sum = (ids: readonly string[]): number => ids.reduce((total, id) => total + sizeOf(id), 0);
  const rows = [...chains].map(([image, chain]): ImageUsage => {
    const shared = sum(chain.filter((id) => (users.get(id) ?? 0) > 1));
    const unique = sum(chain) - shared + itemsSize(image);
    const used = containers.filter((container) => container.image === image.id).length;
    return { id: image.id, names: image.names, size: shared + unique, shared, unique, containers: used };
  });
  const all = [...layers].map(({ id }) => ({ id, size: sizeOf(id), images: users.get(id) ?? 0 }));
  const kept = new Set(rows.filter((row) => row.containers > 0).map(({ id }) => id));
  const needed = new Set([...chains].flatMap(([image, chain]) => (kept.has(image.id) ? chain : [])));
  const items = rows.filter(({ id }) => !kept.has(id)).map(({ id }) => itemsSize(images.get(id)));
  const freed = all.filter(({ id, images: count }) => count > 0 && !needed.has(id));
  return {
    total:
      sum([...layers].map(({ id }) => id)) +
      [...images].reduce((total, image) => total + itemsSize(image), 0),
    reclaimable:
      freed.reduce((total, { size }) => total + size, 0) + items.reduce((total, size) => total + size, 0),
    images: rows,
    layers: all,
  };
}

/** Layers from the top to the base, as far as the records lead. */
export function chainOf(layers: LayerTable, top: string | undefined): string[] {
  const chain: string[] = [];
  const seen = new Set<string>();
  for (let id = top; id !== undefined && !seen.has(id); id = layers.get(id)?.parent) {
    seen.add(id);
    if (layers.get(id) !== undefined) chain.push(id);
  }
  return chain;
}

function itemsSize(image: ImageRecord | undefined): number {
  let size = 0;
  for (const each of image?.bigDataSizes.values() ?? []) size += each;
  return size;
}
