// Every store's own check, and what the root itself shows.

import type { VerifyOptions } from "@bootc-store/backend";
import { type Finding, throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { detectRoot } from "../detect/index.ts";
import type { ExistingStores } from "./existing-stores.ts";

/**
 * What is wrong in a root, in a stable order: the root, stores that cannot be opened, then each store. Throws
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
  for (const { backend } of stores.all) {
    throwIfAborted(signal);
    yield* backend.verify(options);
  }
}
