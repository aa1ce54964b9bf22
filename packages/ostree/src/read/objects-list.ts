import type { Dir } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import type { RepoMode } from "../format/mode.ts";
import { type ObjectType, parseObjectName } from "../format/object-type.ts";

/** An object that lies in a repository itself. */
export interface ListedObject {
  readonly checksum: Checksum;
  readonly type: ObjectType;
}

/** Every object in a repository's `objects`, detached metadata and tombstones included, in order of the checksums. */
export function* listObjects(objects: Dir, mode: RepoMode): Generator<ListedObject> {
  for (const shard of objects.list()) {
    if (shard.type !== "directory") continue;
    using dir = objects.openDirOptional(shard.name);
    for (const { name } of dir?.list() ?? []) {
      const object = parseObjectName(shard.name, name, mode);
      if (object !== undefined) yield object;
    }
  }
}
