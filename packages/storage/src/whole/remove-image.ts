// An image out of every store that has it. Its names go; what only it needed goes with the next collection, or, in
// containers-storage, at once.

import { listTags, removeTag } from "@bootc-store/composefs";
import { type BackendKind, type OperationOptions, throwIfAborted } from "@bootc-store/core";
import { listImages, removeImages, removeUnusedLayers } from "@bootc-store/ostree";

import { storageErrors } from "../errors.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { listRootImages, type RootImage } from "./images.ts";

export interface RemovedImage {
  readonly manifest?: string;
  /** The names that went, by store. */
  readonly removed: Readonly<Partial<Record<BackendKind, readonly string[]>>>;
}

/**
 * Removes the image that has this name, manifest digest or id, with all of its names. containers-storage is first, since
 * there it may be in use. Throws `storage/image-missing`, `storage/image-ambiguous`, `containers-storage/image-in-use`.
 */
export async function removeRootImage(
  stores: ExistingStores,
  reference: string,
  options: OperationOptions = {},
): Promise<RemovedImage> {
  const image = findImage(await listRootImages(stores, options), reference);
  const removed: Partial<Record<BackendKind, readonly string[]>> = {};
  const { containersStorage, composefs, ostree } = stores;
  const stored = image.stores["containers-storage"];
  if (containersStorage !== undefined && stored !== undefined) {
    const record = await containersStorage.findImage(stored, options);
    await containersStorage.deleteImage(stored, options);
    removed["containers-storage"] = record?.names ?? [];
  }
  throwIfAborted(options.signal);
  const manifest = image.stores.composefs;
  if (composefs !== undefined && manifest !== undefined) {
    const { repository } = composefs;
    const names: string[] = [];
    for await (const { id, names: tags } of composefs.listImages(options))
      if (id === manifest) names.push(...tags);
    const known = new Set(listTags(repository).map(({ name }) => name));
    removed.composefs = names.filter((name) => known.has(name) && removeTag(repository, name));
  }
  if (ostree !== undefined && image.stores.ostree !== undefined) {
    const references = listImages(ostree.repo)
      .filter(({ commit }) => commit === image.stores.ostree)
      .flatMap(({ reference: name }) => name ?? []);
    removeImages(ostree.repo, references);
    removeUnusedLayers(ostree.repo);
    removed.ostree = references;
  }
  return { ...(image.manifest === undefined ? {} : { manifest: image.manifest }), removed };
}

/** By name, manifest digest or its beginning, or id in a store. Throws `storage/image-missing`, `storage/image-ambiguous`. */
export function findImage(images: readonly RootImage[], reference: string): RootImage {
  const exact = images.filter(
    ({ names, manifest, stores }) =>
      names.includes(reference) || manifest === reference || Object.values(stores).includes(reference),
  );
  const found =
    exact.length > 0
      ? exact
      : images.filter(
          ({ manifest }) => /^[0-9a-f]{6,64}$/.test(reference) && manifest?.startsWith(`sha256:${reference}`),
        );
  const [image, other] = found;
  if (image === undefined)
    throw storageErrors.error("image-missing", `no store has an image ${reference}`, {
      context: { ref: reference },
    });
  if (other !== undefined) {
    throw storageErrors.error("image-ambiguous", `more than one image is ${reference}`, {
      context: { ref: reference, images: found.map(({ manifest }) => manifest ?? "-").join(" ") },
    });
  }
  return image;
}
