import { type Broken, streamsOfImage } from "@bootc-store/composefs";
import { type Finding, isStoreError, printDigest, signalOf, throwIfAborted } from "@bootc-store/core";

import type { ExistingStores } from "./existing-stores.ts";
import { damageOf } from "./damage.ts";
import type { Repaired, RepairOptions } from "./repair.ts";

/**
 * Images that are damaged, or stand on a damaged layer, are stored again from composefs where it has them whole. What a
 * container uses stays as it is.
 */
export async function repairContainersStorage(
  stores: ExistingStores,
  findings: readonly Finding[],
  broken: Broken,
  options: RepairOptions,
  tell: (what: Repaired) => void,
): Promise<void> {
  const { composefs, containersStorage: storage } = stores;
  const own = damageOf("containers-storage", findings);
  if (composefs === undefined || storage === undefined || own.length === 0) return;
  if (own.some(({ subject }) => subject.kind === "index")) return;
  const damaged = new Set(own.map(({ subject }) => subject.id));
  const records = await storage.images(signalOf(options));
  const hit: { readonly id: string; readonly names: readonly string[]; readonly manifest: string }[] = [];
  for await (const { id: manifest } of composefs.listImages(signalOf(options))) {
    throwIfAborted(options.signal);
    await using image = await composefs.openImage(manifest, signalOf(options));
    if (image === undefined || streamsOfImage(image).some((name) => broken.streams.has(name))) continue;
    for (const { id, names, layer } of records) {
      if (id !== image.config.digest.hex) continue;
      const chain = await storage.chain(layer, signalOf(options)).catch((error: unknown) => {
        if (isStoreError(error, "containers-storage/layer-missing")) return undefined;
        throw error;
      });
      if (damaged.has(id) || chain === undefined || chain.some(({ record }) => damaged.has(record.id)))
        hit.push({ id, names, manifest: printDigest(image.manifest.digest) });
    }
  }
  // All first, since a layer goes only with the last image that stands on it.
  const removed: typeof hit = [];
  for (const each of hit) {
    try {
      await storage.deleteImage(each.id, signalOf(options));
      removed.push(each);
    } catch (error) {
      if (!isStoreError(error, "containers-storage/image-in-use", "containers-storage/layer-in-use"))
        throw error;
    }
  }
  for (const { names, manifest } of removed) {
    await using image = await composefs.openImage(manifest, signalOf(options));
    if (image === undefined) continue;
    await storage.writeImage(image, { ...signalOf(options), names });
    tell({ store: "containers-storage", kind: "image", id: manifest, from: "composefs" });
  }
}
