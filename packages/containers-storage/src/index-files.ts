// The files that records are in, by name, read whole and written by a rename.

import { type ByteString, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { INDEX_LIMIT } from "./limits.ts";

export const LAYERS = utf8("layers.json");
export const VOLATILE_LAYERS = utf8("volatile-layers.json");
export const IMAGES = utf8("images.json");
export const CONTAINERS = utf8("containers.json");
export const VOLATILE_CONTAINERS = utf8("volatile-containers.json");
export const MOUNTPOINTS = utf8("mountpoints.json");

/** Nothing where there is no file. */
export function readText(dir: Dir, name: ByteString): string {
  return dir.readFileOptional(name, { limit: INDEX_LIMIT })?.toString("utf8") ?? "";
}

export function writeText(dir: Dir, name: ByteString, text: string): void {
  dir.atomicWrite(name, Buffer.from(text, "utf8"), { mode: 0o600, sync: "data" });
}
