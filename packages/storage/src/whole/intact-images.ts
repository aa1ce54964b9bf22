import type { Image } from "@bootc-store/backend";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import { type Finding, isStoreError, type OperationOptions, throwIfAborted } from "@bootc-store/core";

import { damageOf } from "./damage.ts";

/** Images of containers-storage in which a check found nothing wrong, nor in any of their layers. */
export async function* intactImages(
  storage: ContainersStorage,
  findings: readonly Finding[],
  options: OperationOptions,
): AsyncGenerator<{ readonly id: string; readonly image: Image }> {
  const own = damageOf("containers-storage", findings);
  // Without an index nothing can be told of what it lists.
  if (own.some(({ subject }) => subject.kind === "index")) return;
  const damaged = new Set(own.map(({ subject }) => subject.id));
  for (const { id, layer } of await storage.images(options)) {
    throwIfAborted(options.signal);
    if (damaged.has(id)) continue;
    try {
      const chain = await storage.chain(layer, options);
      if (chain.some(({ record }) => damaged.has(record.id))) continue;
      await using image = await storage.openImage(id, options);
      if (image !== undefined) yield { id, image };
    } catch (error) {
      // An image that cannot be opened is none to mend others from.
      if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
    }
  }
}
