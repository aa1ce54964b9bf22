import type { Usage } from "@bootc-store/backend";
import { type ByteString, isStoreError, throwIfAborted } from "@bootc-store/core";
import { type Dir, fileKey, sharedBytes } from "@bootc-store/linux";

import type { Part } from "./places.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

const PARTS: readonly Part[] = ["content", "layers", "images", "containers"];
const NAMES: Readonly<Record<Part, string>> = {
  content: "layers",
  layers: "layer-records",
  images: "images",
  containers: "containers",
};

/** Adds up the inodes of the store, each once. Mounted layers are not entered. */
export async function computeUsage(
  { places }: StoreRoot,
  options: { readonly signal?: AbortSignal; readonly extents?: boolean },
): Promise<Usage> {
  const { signal, extents } = options;
  const seen = new Set<string>();
  const total = { apparentBytes: 0, allocatedBytes: 0, inodes: 0 };
  let shared: number | undefined = extents === true ? 0 : undefined;
  let turn = performance.now();
  const parts: { name: string; apparentBytes: number; inodes: number }[] = [];
  for (const part of PARTS) {
    throwIfAborted(signal);
    const sum = { name: NAMES[part], apparentBytes: 0, inodes: 0 };
    parts.push(sum);
    // A layer that is removed meanwhile is left out as far as it is gone.
    const onError = (): void => {};
    for (const entry of places.dirOptional(part)?.walk({ crossMounts: false, onError }) ?? []) {
      const stat = entry.dir.statOptional(entry.name);
      if (stat === undefined || (stat.nlink > 1 && stat.type !== "directory" && seen.has(fileKey(stat))))
        continue;
      if (stat.nlink > 1 && stat.type !== "directory") seen.add(fileKey(stat));
      sum.apparentBytes += stat.size;
      sum.inodes++;
      total.apparentBytes += stat.size;
      total.allocatedBytes += stat.blocks * 512;
      total.inodes++;
      if (shared !== undefined && entry.type === "regular" && stat.size > 0) {
        const found = sharedIn(entry.dir, entry.name);
        shared = found === undefined ? undefined : shared + found;
      }
      if (performance.now() - turn < 30) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      throwIfAborted(signal);
      turn = performance.now();
    }
  }
  return {
    kind: "containers-storage",
    ...total,
    ...(shared === undefined ? {} : { sharedBytes: shared }),
    parts,
  };
}

/** Bytes of a file that others share; `undefined` where the file system cannot say. */
function sharedIn(dir: Dir, name: ByteString): number | undefined {
  try {
    using file = dir.openFileOptional(name);
    return file === undefined ? 0 : sharedBytes(file);
  } catch (error) {
    if (isStoreError(error, "linux/call-unsupported")) return undefined;
    throw error;
  }
}
