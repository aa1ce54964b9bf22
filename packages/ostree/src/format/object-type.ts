import type { ByteString } from "@bootc-store/core";

import type { RepoMode } from "./mode.ts";

/** The kinds of objects; the extension of their file names. Numbers as in `OstreeObjectType`. */
export const OBJECT_TYPES = {
  file: 1,
  dirtree: 2,
  dirmeta: 3,
  commit: 4,
  "tombstone-commit": 5,
  commitmeta: 6,
  "payload-link": 7,
  "file-xattrs": 8,
  "file-xattrs-link": 9,
} as const;

export type ObjectType = keyof typeof OBJECT_TYPES;

/** Objects that are variants, the same in every mode. */
export type MetadataType = "dirtree" | "dirmeta" | "commit" | "tombstone-commit" | "commitmeta";

/** Metadata objects that are named by their own checksum. */
export type HashedType = "dirtree" | "dirmeta" | "commit";

export function isMetadataType(type: ObjectType): type is MetadataType {
  const number = OBJECT_TYPES[type];
  return number >= 2 && number <= 6;
}

/** The type's extension: archives mark everything that is no metadata by a `z`. */
export function extensionOf(type: ObjectType, mode: RepoMode): string {
  return mode === "archive" && !isMetadataType(type) ? `${type}z` : type;
}

/** An object's name within its directory, of which the first two digits are the name. */
export function objectName(checksum: string, type: ObjectType, mode: RepoMode): ByteString {
  return `${checksum.slice(2)}.${extensionOf(type, mode)}` as ByteString;
}

/** Type and checksum of a file in `objects/XX`, or `undefined` for a name that is no object's in this mode. */
export function parseObjectName(
  shard: string,
  name: string,
  mode: RepoMode,
): { readonly checksum: string; readonly type: ObjectType } | undefined {
  const match = /^([0-9a-f]{62})\.([a-z-]+)$/.exec(name);
  if (match === null || !/^[0-9a-f]{2}$/.test(shard)) return undefined;
  const extension = match[2] as string;
  const type = BY_EXTENSION[mode === "archive" ? "archive" : "other"].get(extension);
  return type === undefined ? undefined : { checksum: shard + (match[1] as string), type };
}

const TYPES = Object.keys(OBJECT_TYPES) as ObjectType[];
const BY_EXTENSION = {
  archive: new Map(TYPES.map((type) => [extensionOf(type, "archive"), type])),
  other: new Map(TYPES.map((type) => [extensionOf(type, "bare"), type])),
};
