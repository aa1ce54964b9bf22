import { type ByteString, isStoreError } from "@bootc-store/core";
import { defineTask, Dir, isTempName } from "@bootc-store/linux";

import type { RepoMode } from "../format/mode.ts";
import { parseObjectName } from "../format/object-type.ts";
import type { Repo } from "./repo.ts";

/** A commit, or what belongs to one, that is moved when all else is there. */
export interface LateObject {
  readonly shard: ByteString;
  readonly name: ByteString;
  /** Whether it takes the place of one that is there. */
  readonly replace: boolean;
}

interface MoveShardsInput {
  /** Descriptors of the staging directory and of `objects`. */
  readonly staging: number;
  readonly objects: number;
  readonly mode: RepoMode;
  readonly shards: readonly ByteString[];
}

/** Moves what is staged in these shards into `objects`, and syncs those; says what is to be moved later. */
export const moveShardsTask = defineTask(
  import.meta.url,
  "moveShards",
  ({ staging, objects, mode, shards }: MoveShardsInput): LateObject[] => {
    const top = Dir.borrow(staging, "staging");
    const target = Dir.borrow(objects, "objects");
    const late: LateObject[] = [];
    for (const shard of shards) {
      target.ensureDir(shard, { mode: 0o777 });
      using from = top.openDir(shard);
      using to = target.openDir(shard);
      let moved = false;
      for (const { name } of from.list()) {
        if (isTempName(name)) continue;
        const type = parseObjectName(shard, name, mode)?.type;
        if (type === "commit" || type === "commitmeta") {
          late.push({ shard, name, replace: type === "commitmeta" });
        } else {
          moveObject(from, to, name, false);
          moved = true;
        }
      }
      if (moved) to.sync();
    }
    return late;
  },
);

/** Shards are moved on all threads; a sync of each is what takes the time. */
export async function moveShards(
  repo: Repo,
  staging: Dir,
  shards: readonly ByteString[],
): Promise<LateObject[]> {
  const parts = Math.max(1, Math.min(shards.length, repo.pool.size));
  const inputs = Array.from({ length: parts }, (_, part) => ({
    staging: staging.fd,
    objects: repo.objects.fd,
    mode: repo.mode,
    shards: shards.filter((_shard, at) => at % parts === part),
  }));
  // All have ended before anything is closed, also where one fails.
  const results = await Promise.allSettled(inputs.map((input) => repo.pool.run(moveShardsTask, input)));
  return results.flatMap((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

/** An object that is there already stays: it is the same. */
export function moveObject(from: Dir, to: Dir, name: ByteString, replace: boolean): void {
  try {
    from.rename(name, name, { to, mode: replace ? "replace" : "noreplace" });
  } catch (error) {
    if (!isStoreError(error, "linux/exists")) throw error;
    from.remove(name);
  }
}
