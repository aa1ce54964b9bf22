import type { OperationOptions } from "@bootc-store/core";

import { removeObject } from "../objects/remove.ts";
import { type ObjectKey, parseObjectKey } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";

/**
 * Takes damaged objects away so that they can be written again, for writers leave what is there. Marks and detached metadata of
 * commits stay. Returns how many there were. Throws `ostree/lock-timeout`.
 */
export async function removeDamaged(
  repo: Repo,
  keys: Iterable<ObjectKey>,
  { signal }: OperationOptions = {},
): Promise<number> {
  using _lock = await repo.lock.take("exclusive", signal === undefined ? {} : { signal });
  let removed = 0;
  for (const key of keys) {
    const { checksum, type } = parseObjectKey(key);
    if (removeObject(repo.objects, checksum, type, repo.mode)) removed++;
  }
  return removed;
}
