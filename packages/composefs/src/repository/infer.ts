import { type Dir, measureVerity } from "@bootc-store/linux";
import { utf8 } from "@bootc-store/core";

import { ALGORITHMS, type ComposefsAlgorithm } from "../algorithm.ts";

/**
 * What a repository without meta.json is, by its first object: the length of the name tells the algorithm, and whether it
 * has fs-verity whether the repository was secure. `undefined` if there are no objects.
 */
export function inferFromObjects(dir: Dir): { algorithm: ComposefsAlgorithm; secure: boolean } | undefined {
  using objects = dir.openDirOptional(utf8("objects"));
  if (objects === undefined) return undefined;
  for (const shard of objects.list()) {
    if (shard.type !== "directory") continue;
    using shardDir = objects.openDir(shard.name);
    for (const { name, type } of shardDir.list()) {
      const algorithm = (Object.keys(ALGORITHMS) as ComposefsAlgorithm[]).find(
        (each) => ALGORITHMS[each].digestSize * 2 === name.length + 2,
      );
      if (type !== "regular" || algorithm === undefined) continue;
      using file = shardDir.openFile(name);
      return { algorithm, secure: measureVerity(file).state === "enabled" };
    }
  }
  return undefined;
}
