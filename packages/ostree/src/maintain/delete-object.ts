import { type ByteString, bytesOf } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import { type ObjectType, objectName } from "../format/object-type.ts";
import { gvariant, variant } from "../gvariant/index.ts";
import { removeObject } from "../objects/remove.ts";
import type { Repo } from "../repo/repo.ts";
import { clearPartial } from "../repo/state.ts";

const TOMBSTONE = gvariant("a{sv}");

/**
 * Removes an object; with a commit go its detached metadata and its mark of being partial, and if the repository keeps
 * tombstones, it gets one. Says whether the object was there.
 */
export function deleteObject(repo: Repo, checksum: Checksum, type: ObjectType): boolean {
  if (type === "commit") {
    removeObject(repo.objects, checksum, "commitmeta", repo.mode);
    clearPartial(repo.dir, checksum);
  }
  const removed = removeObject(repo.objects, checksum, type, repo.mode);
  if (removed && type === "commit" && repo.config.tombstoneCommits) writeTombstone(repo, checksum);
  return removed;
}

/** A note that there was such a commit, and that it is gone on purpose. */
export function writeTombstone(repo: Repo, commit: Checksum): void {
  const bytes = TOMBSTONE.encode([["commit", variant("ay", bytesOf(`${commit}\0` as ByteString))]]);
  const shard = commit.slice(0, 2) as ByteString;
  repo.objects.ensureDir(shard, { mode: 0o777 });
  using dir = repo.objects.openDir(shard);
  dir.atomicWrite(objectName(commit, "tombstone-commit", repo.mode), bytes, { mode: 0o644 });
}
