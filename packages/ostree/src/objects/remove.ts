import type { ByteString } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import type { RepoMode } from "../format/mode.ts";
import { objectName, type ObjectType } from "../format/object-type.ts";

/** Removes an object's file; false if there is none. */
export function removeObject(objects: Dir, checksum: Checksum, type: ObjectType, mode: RepoMode): boolean {
  using shard = objects.openDirOptional(checksum.slice(0, 2) as ByteString);
  return shard?.removeOptional(objectName(checksum, type, mode)) ?? false;
}
