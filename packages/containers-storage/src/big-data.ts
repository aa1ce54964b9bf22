import { createHash } from "node:crypto";

import { type Digest, digestFromHex, utf8 } from "@bootc-store/core";

import { containersStorageErrors } from "./errors.ts";
import { bigDataFileName } from "./format/big-data-name.ts";
import type { BigData } from "./format/images-json.ts";
import { BIG_DATA_LIMIT } from "./limits.ts";
import type { Part, StorePlaces } from "./places.ts";

/** An item of an image, layer or container. Throws `containers-storage/big-data-missing`. */
export function readBigData(places: StorePlaces, part: Part, id: string, key: string): Buffer {
  const path = utf8(`${id}/${bigDataFileName(key)}`);
  const found = places.dirOptional(part)?.readFileOptional(path, { limit: BIG_DATA_LIMIT });
  if (found !== undefined) return found;
  throw containersStorageErrors.error(
    "big-data-missing",
    `${places.nameOf(part)}/${id} has no item "${key}"`,
    {
      context: { path: `${places.nameOf(part)}/${id}`, key },
    },
  );
}

/** Writes an item's file; the record is for the caller to save. */
export function writeBigData(
  places: StorePlaces,
  part: Part,
  id: string,
  key: string,
  bytes: Uint8Array,
): void {
  const parent = places.dir(part);
  parent.ensureDir(utf8(id), { mode: 0o700 });
  using dir = parent.openDir(utf8(id));
  dir.atomicWrite(bigDataFileName(key), bytes, { mode: 0o600, sync: "data" });
}

/** What a record says of its items when one more is there, or one has other bytes. */
export function withBigData<T extends BigData>(record: T, key: string, bytes: Uint8Array): T {
  return {
    ...record,
    bigDataNames: record.bigDataNames.includes(key) ? record.bigDataNames : [...record.bigDataNames, key],
    bigDataSizes: new Map(record.bigDataSizes).set(key, bytes.length),
    bigDataDigests: new Map(record.bigDataDigests).set(key, sha256(bytes)),
  };
}

function sha256(bytes: Uint8Array): Digest {
  return digestFromHex("sha256", createHash("sha256").update(bytes).digest("hex"));
}
