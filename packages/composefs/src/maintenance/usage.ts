import type { Usage, UsageOptions } from "@bootc-store/backend";
import { throwIfAborted, utf8 } from "@bootc-store/core";
import { type Dir, sharedBytes } from "@bootc-store/linux";

import type { Repository } from "../repository/repository.ts";

interface Sum {
  apparent: number;
  allocated: number;
  shared: number | undefined;
  inodes: number;
}

/** Every inode of the repository once; one with several names counts where it comes first. */
export async function usageOf(repository: Repository, options: UsageOptions = {}): Promise<Usage> {
  repository.assertOpen();
  const seen = new Set<string>();
  const parts = ["objects", "streams", "images"].map((name) => {
    const sum: Sum = {
      apparent: 0,
      allocated: 0,
      shared: options.extents === true ? 0 : undefined,
      inodes: 0,
    };
    using dir = repository.dir.openDirOptional(utf8(name));
    if (dir !== undefined) addTree(dir, sum, seen, options);
    return { name, sum };
  });
  const top: Sum = { apparent: 0, allocated: 0, shared: 0, inodes: 0 };
  const meta = repository.dir.statOptional(utf8("meta.json"));
  if (meta !== undefined)
    Object.assign(top, { apparent: meta.size, allocated: meta.blocks * 512, inodes: 1 });
  const all = [...parts, { name: "metadata", sum: top }];
  const total = (key: "apparent" | "allocated" | "inodes"): number =>
    all.reduce((sum, each) => sum + each.sum[key], 0);
  const shared = all.reduce((sum, each) => sum + (each.sum.shared ?? 0), 0);
  return {
    kind: "composefs",
    apparentBytes: total("apparent"),
    allocatedBytes: total("allocated"),
    ...(options.extents === true ? { sharedBytes: shared } : {}),
    inodes: total("inodes"),
    parts: all.map(({ name, sum }) => ({ name, apparentBytes: sum.apparent, inodes: sum.inodes })),
  };
}

function addTree(dir: Dir, sum: Sum, seen: Set<string>, options: UsageOptions): void {
  let count = 0;
  for (const entry of dir.walk()) {
    if (++count % 1024 === 0) throwIfAborted(options.signal);
    if (entry.type === "directory") {
      sum.inodes++;
      continue;
    }
    const stat = dir.stat(entry.path);
    const key = `${stat.dev.major}:${stat.dev.minor}:${stat.ino}`;
    if (stat.nlink > 1 && seen.has(key)) continue;
    seen.add(key);
    sum.inodes++;
    sum.apparent += stat.size;
    sum.allocated += stat.blocks * 512;
    if (sum.shared !== undefined && stat.type === "regular") {
      using file = dir.openFile(entry.path);
      sum.shared += sharedBytes(file) ?? 0;
    }
  }
}
