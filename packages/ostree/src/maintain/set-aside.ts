import type { ByteString, OperationOptions } from "@bootc-store/core";

import { objectName } from "../format/object-type.ts";
import { listObjects } from "../read/objects-list.ts";
import { objectKey, type ObjectKey, parseObjectKey, Traversal } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";

/** Damaged objects that are out of the way of writers, which leave what is there. */
export interface SetAside {
  /** Takes those away that were written again, or that nothing leads to any more, and puts the others back. */
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
  const moved: { readonly key: ObjectKey; readonly path: ByteString }[] = [];
  for (const key of keys) {
    const { checksum, type } = parseObjectKey(key);
    const path = `${checksum.slice(0, 2)}/${objectName(checksum, type, repo.mode)}` as ByteString;
    if (repo.objects.statOptional(path) === undefined) continue;
    repo.objects.rename(path, asideOf(path));
    moved.push({ key, path });
  }
  return {
    settle: () => {
      const needed = neededOf(repo);
      for (const { key, path } of moved) {
        const written = repo.objects.statOptional(path) !== undefined;
        if (written || needed?.has(key) === false) repo.objects.remove(asideOf(path));
        else repo.objects.rename(asideOf(path), path);
      }
    },
  };
}

/** What refs, or commits that are there, lead to, their parents included; `undefined` where not all could be followed. */
function neededOf(repo: Repo): ReadonlySet<ObjectKey> | undefined {
  let complete = true;
  const traversal = new Traversal(repo.reader, { onMissing: () => (complete = false) });
  for (const { checksum } of repo.refs.listAll()) traversal.addCommit(checksum, -1);
  const parents: ObjectKey[] = [];
  for (const { checksum, type } of listObjects(repo.objects, repo.mode)) {
    if (type !== "commit") continue;
    traversal.addCommit(checksum, -1);
    if (!complete) return undefined;
    const { parent } = repo.readCommit(checksum);
    if (parent !== undefined) parents.push(objectKey(parent, "commit"));
  }
  return complete ? new Set([...traversal.reachable, ...parents]) : undefined;
}

function asideOf(path: ByteString): ByteString {
  return `${path}.damaged` as ByteString;
}
