import type { ByteString, OperationOptions } from "@bootc-store/core";

import { objectName } from "../format/object-type.ts";
import { type ObjectKey, parseObjectKey } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";

/** Damaged objects that are out of the way of writers, which leave what is there. */
export interface SetAside {
  /** Takes those away that were written again, and puts the others back. */
  settle(): void;
}

/**
 * Gives damaged objects another name, so that they can be written again and none is lost if they are not. Marks and detached
 * metadata of commits stay. A program that is killed before it settles leaves a name that is no object's, which a check tells of.
 * Throws `ostree/lock-timeout`.
 */
export async function setDamagedAside(
  repo: Repo,
  keys: Iterable<ObjectKey>,
  { signal }: OperationOptions = {},
): Promise<SetAside> {
  using _lock = await repo.lock.take("exclusive", signal === undefined ? {} : { signal });
  const moved: ByteString[] = [];
  for (const key of keys) {
    const { checksum, type } = parseObjectKey(key);
    const path = `${checksum.slice(0, 2)}/${objectName(checksum, type, repo.mode)}` as ByteString;
    if (repo.objects.statOptional(path) === undefined) continue;
    repo.objects.rename(path, asideOf(path));
    moved.push(path);
  }
  return {
    settle: () => {
      for (const path of moved) {
        if (repo.objects.statOptional(path) === undefined) repo.objects.rename(asideOf(path), path);
        else repo.objects.remove(asideOf(path));
      }
    },
  };
}

function asideOf(path: ByteString): ByteString {
  return `${path}.damaged` as ByteString;
}
