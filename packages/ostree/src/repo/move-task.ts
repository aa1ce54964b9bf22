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

interface Moved {
  readonly late: readonly LateObject[];
  readonly changed: readonly ByteString[];
}

interface MoveShardsInput {
  /** Descriptors of the staging directory and of `objects`. */
  readonly staging: number;
  readonly objects: number;
  readonly mode: RepoMode;
  readonly shards: readonly ByteString[];
}

/** Moves what is staged in these shards into `objects`; says what is to be moved later, and which shards have got something. */
export const moveShardsTask = defineTask(
  import.meta.url,
  "moveShards",
  ({ staging, objects, mode, shards }: MoveShardsInput): Moved => {
    const top = Dir.borrow(staging, "staging");
    const target = Dir.borrow(objects, "objects");
    const late: LateObject[] = [];
    const changed: ByteString[] = [];
    for (const shard of shards) {
      using from = top.openDir(shard);
      const names = from.list().map(({ name }) => name);
      if (movesWhole(names, shard, mode) && moveWhole(top, target, shard)) continue;
      target.ensureDir(shard, { mode: 0o777 });
      using to = target.openDir(shard);
      let moved = false;
      for (const name of names) {
        if (isTempName(name)) continue;
        const type = parseObjectName(shard, name, mode)?.type;
        if (type === "commit" || type === "commitmeta") {
          late.push({ shard, name, replace: type === "commitmeta" });
        } else {
          moveObject(from, to, name, false);
          moved = true;
        }
      }
      if (moved) changed.push(shard);
    }
    return { late, changed };
  },
);

/** Whether all of these come at the same time. */
function movesWhole(names: readonly ByteString[], shard: ByteString, mode: RepoMode): boolean {
  return names.every((name) => {
    const type = parseObjectName(shard, name, mode)?.type;
    return type !== undefined && type !== "commit" && type !== "commitmeta";
  });
}

/** Moves a directory that the repository does not have yet. What is in it was synced, and its name is with those beside it. */
function moveWhole(staging: Dir, objects: Dir, shard: ByteString): boolean {
  try {
    staging.rename(shard, shard, { to: objects, mode: "noreplace" });
    return true;
  } catch (error) {
    if (isStoreError(error, "linux/exists")) return false;
    throw error;
  }
}

export const syncShardsTask = defineTask(
  import.meta.url,
  "syncShards",
  ({ objects, shards }: Pick<MoveShardsInput, "objects" | "shards">): void => {
    const target = Dir.borrow(objects, "objects");
    for (const shard of shards) {
      using dir = target.openDir(shard);
      dir.sync();
    }
  },
);

/**
 * Moves all but commits on all threads, and makes it durable. The syncs come after all moves: a file system with a journal
 * has written everything with the first, and the others cost nothing.
 */
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
  const moved = results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
  // New directories have names of their own to be kept.
  if (shards.length > 0) repo.objects.sync();
  const changed = moved.flatMap((part) => part.changed);
  if (changed.length > 0) await repo.pool.run(syncShardsTask, { objects: repo.objects.fd, shards: changed });
  return moved.flatMap(({ late }) => late);
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
