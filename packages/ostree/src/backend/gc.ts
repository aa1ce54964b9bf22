import type { Garbage, GcApplyOptions, GcOptions, GcPlan, GcResult, Root } from "@bootc-store/backend";

import { isChecksum } from "../format/checksum.ts";
import { deleteObject } from "../maintain/delete-object.ts";
import { examine, type ExaminedObject } from "../maintain/prune.ts";
import { objectKey } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";
import { rootsOf } from "./roots.ts";

/** What neither refs nor other roots lead to, parents of commits included. */
export function planGc(repo: Repo, options: GcOptions = {}): GcPlan {
  const roots = [...rootsOf(repo), ...(options.keep ?? [])];
  const garbage = Array.from(find(repo, roots, options.signal), garbageOf);
  return { kind: "ostree", roots, garbage, bytes: sumOf(garbage) };
}

/** Removes what was planned and is still not reachable, while nobody writes. Throws `ostree/lock-timeout`. */
export async function applyGc(repo: Repo, plan: GcPlan, options: GcApplyOptions = {}): Promise<GcResult> {
  const { signal } = options;
  using _lock = await repo.lock.take("exclusive", signal === undefined ? {} : { signal });
  // Refs are looked up again: one that is gone keeps nothing any more, and new ones count.
  const kept = plan.roots.filter(({ backend, kind }) => backend !== "ostree" || kind !== "ref");
  const now = new Map(
    find(repo, [...rootsOf(repo), ...kept], signal).map((object) => [idOf(object), object]),
  );
  const removed: Garbage[] = [];
  const spared: Garbage[] = [];
  for (const each of plan.garbage) {
    const object = now.get(each.id);
    if (object !== undefined && deleteObject(repo, object.checksum, object.type)) removed.push(each);
    else spared.push(each);
  }
  return { removed, kept: spared, bytes: sumOf(removed) };
}

/**
 * What no root leads to. Where something that is to be kept cannot be followed, only commits are: what hangs below the
 * damage may be all that is left of it, and a repair from another store needs it.
 */
function find(repo: Repo, roots: readonly Root[], signal: AbortSignal | undefined): ExaminedObject[] {
  const commits = new Map(roots.filter(({ target }) => isChecksum(target)).map(({ target }) => [target, -1]));
  const { objects, complete } = examine(repo, {
    onlyCommits: true,
    commits,
    ...(signal === undefined ? {} : { signal }),
  });
  return Array.from(objects).filter(
    ({ type, unreachable }) => unreachable && (complete || type === "commit"),
  );
}

/** A commit goes by its checksum, anything else by `CHECKSUM.TYPE`. */
function idOf({ checksum, type }: ExaminedObject): string {
  return type === "commit" ? checksum : objectKey(checksum, type);
}

function garbageOf(object: ExaminedObject): Garbage {
  return { kind: object.type === "commit" ? "commit" : "object", id: idOf(object), bytes: object.size() };
}

function sumOf(garbage: readonly Garbage[]): number {
  return garbage.reduce((sum, { bytes }) => sum + bytes, 0);
}
