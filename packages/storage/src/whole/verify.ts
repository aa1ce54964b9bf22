// Every store's own check, and what the root itself shows.

import type { VerifyOptions } from "@bootc-store/backend";
import { type BackendKind, type Finding, throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { detectRoot } from "../detect/index.ts";
import { isDamage } from "./damage.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { verifyBetween } from "./verify-between.ts";

/**
 * What is wrong in a root, in a stable order: the root, stores that cannot be opened, each store, then what they show
 * together. Throws
 * `storage/not-a-root`.
 */
export async function* verifyRoot(
  root: Dir,
  stores: ExistingStores,
  options: VerifyOptions = {},
): AsyncGenerator<Finding> {
  const { signal } = options;
  const { findings } = await detectRoot(root, signal === undefined ? {} : { signal });
  yield* findings;
  yield* stores.findings;
  const damaged = new Set<BackendKind>();
  for (const { kind, backend } of stores.all) {
    throwIfAborted(signal);
    for await (const finding of backend.verify(options)) {
      if (isDamage(finding)) damaged.add(kind);
      yield finding;
    }
  }
  yield* verifyBetween(stores, { ...options, damaged });
}
