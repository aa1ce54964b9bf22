import type { ByteString } from "@bootc-store/core";
import { type Dir, fileKey } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import type { RepoMode } from "../format/mode.ts";
import { parseObjectName } from "../format/object-type.ts";

/** Which inode is which content object, by `fileKey`. */
export type DevinoCache = Map<string, Checksum>;

/**
 * All content objects of a repository by their inodes, so that links to them need not be read. Of an archive, whose
 * objects are never linked, those of its cache of uncompressed ones.
 */
export function scanDevino(repo: Dir, mode: RepoMode): DevinoCache {
  const cache: DevinoCache = new Map();
  const archive = mode === "archive";
  using objects = repo.openDirOptional((archive ? "uncompressed-objects-cache" : "objects") as ByteString);
  if (objects === undefined) return cache;
  for (const shard of objects.list()) {
    if (shard.type !== "directory" || !/^[0-9a-f]{2}$/.test(shard.name)) continue;
    using dir = objects.openDir(shard.name);
    for (const { name } of dir.list()) {
      const object = parseObjectName(shard.name, archive ? name.replace(/\.file$/, ".filez") : name, mode);
      if (object?.type !== "file") continue;
      const stat = dir.statOptional(name);
      if (stat !== undefined) cache.set(fileKey(stat), object.checksum);
    }
  }
  return cache;
}
