import { type BackendKind, type ByteString, isStoreError, throwIfAborted } from "@bootc-store/core";
import { type Dir, fileKey, sharedBytes } from "@bootc-store/linux";

import type { Usage, UsageOptions } from "./usage.ts";

/** A part of a store as it lies on disk. */
export interface UsagePart {
  readonly name: string;
  /** Directories whose contents are the part; one that is not there holds nothing. They stay the caller's. */
  readonly dirs: readonly (Dir | undefined)[];
  /** Names directly below those directories that belong to another part. */
  readonly except?: ReadonlySet<string>;
}

/**
 * Adds up the inodes of a store, each once: one with several names counts in the part where it comes first. What is
 * removed meanwhile is left out as far as it is gone; other file systems are not entered.
 */
export async function measureUsage(
  kind: BackendKind,
  parts: readonly UsagePart[],
  options: UsageOptions = {},
): Promise<Usage> {
  const { signal } = options;
  const seen = new Set<string>();
  const total = { apparentBytes: 0, allocatedBytes: 0, inodes: 0 };
  let shared: number | undefined = options.extents === true ? 0 : undefined;
  let turn = performance.now();
  const sums: { name: string; apparentBytes: number; inodes: number }[] = [];
  for (const { name, dirs, except } of parts) {
    throwIfAborted(signal);
    const sum = { name, apparentBytes: 0, inodes: 0 };
    sums.push(sum);
    for (const dir of dirs) {
      const walk = dir?.walk({ crossMounts: false, onError() {} }) ?? [];
      for (const entry of walk) {
        if (except !== undefined && except.has(topOf(entry.path))) continue;
        const stat = entry.dir.statOptional(entry.name);
        if (stat === undefined) continue;
        if (stat.nlink > 1 && stat.type !== "directory") {
          if (seen.has(fileKey(stat))) continue;
          seen.add(fileKey(stat));
        }
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
  }
  return { kind, ...total, ...(shared === undefined ? {} : { sharedBytes: shared }), parts: sums };
}

function topOf(path: ByteString): string {
  const slash = path.indexOf("/");
  return slash < 0 ? path : path.slice(0, slash);
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
