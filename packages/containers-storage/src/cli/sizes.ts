import { fileKey } from "@bootc-store/linux";

import type { StoreRoot } from "../ports/layer-source.ts";

/** Bytes of what is in a layer's diff: everything but directories, each inode once. */
export function diffSize({ places }: StoreRoot, id: string): number {
  using diff = places.dir("content").openDir(places.diffPath(id));
  const seen = new Set<string>();
  let size = 0;
  for (const { dir, name, type } of diff.walk()) {
    if (type === "directory") continue;
    const stat = dir.stat(name);
    if (stat.nlink > 1) {
      if (seen.has(fileKey(stat))) continue;
      seen.add(fileKey(stat));
    }
    size += stat.size;
  }
  return size;
}
