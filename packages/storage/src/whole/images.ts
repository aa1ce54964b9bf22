// One table of images over the stores: the same manifest in two stores is one image.

import { type BackendKind, type OperationOptions, printDigest, throwIfAborted } from "@bootc-store/core";
import type { ImageSummary } from "@bootc-store/backend";

import type { ExistingStores } from "./existing-stores.ts";

export interface RootImage {
  /** Digest of the manifest, where a store knows it. */
  readonly manifest?: string;
  readonly names: readonly string[];
  readonly created?: string;
  /** The id of the image in each store that has it. */
  readonly stores: Readonly<Partial<Record<BackendKind, string>>>;
  /**
   * Bytes of its layers in containers-storage, and of those that no other image there has. Of an image that is not there
   * nothing is known without looking at files; see `sizedRootImages`.
   */
  readonly size?: number;
  readonly unique?: number;
}

/** Images of all stores, by name; those without one come last. */
export async function listRootImages(
  stores: ExistingStores,
  options: OperationOptions = {},
): Promise<RootImage[]> {
  const rows = new Map<string, RootImage>();
  const add = (kind: BackendKind, image: ImageSummary, more: Partial<RootImage> = {}): void => {
    throwIfAborted(options.signal);
    const manifest = image.manifestDigest === undefined ? undefined : printDigest(image.manifestDigest);
    const key = manifest ?? `${kind} ${image.id}`;
    const before = rows.get(key);
    const created = before?.created ?? image.created;
    rows.set(key, {
      ...before,
      ...more,
      ...(manifest === undefined ? {} : { manifest }),
      ...(created === undefined ? {} : { created }),
      names: [...new Set([...(before?.names ?? []), ...image.names])].sort(),
      stores: { ...before?.stores, [kind]: image.id },
    });
  };
  const { containersStorage, composefs, ostree } = stores;
  if (containersStorage !== undefined) {
    const usage = new Map((await containersStorage.diskUsage(options)).images.map((each) => [each.id, each]));
    for await (const image of containersStorage.listImages(options)) {
      const sizes = usage.get(image.id);
      add("containers-storage", image, sizes === undefined ? {} : { size: sizes.size, unique: sizes.unique });
    }
  }
  if (composefs !== undefined)
    for await (const image of composefs.listImages(options)) add("composefs", image);
  if (ostree !== undefined) for await (const image of ostree.listImages(options)) add("ostree", image);
  return [...rows.values()].sort(byName);
}

function byName(a: RootImage, b: RootImage): number {
  const key = ({ names, manifest, stores }: RootImage): string =>
    names[0] === undefined ? `\uffff${manifest ?? Object.values(stores).join()}` : names[0];
  return key(a) < key(b) ? -1 : 1;
}
