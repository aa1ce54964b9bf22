import { measureUsage, type Usage, type UsageOptions } from "@bootc-store/backend";
import type { ByteString } from "@bootc-store/core";

import type { Repo } from "../repo/repo.ts";

const CACHE = "uncompressed-objects-cache";

/** What the repository takes, its parents left out. */
export async function usageOf(repo: Repo, options: UsageOptions = {}): Promise<Usage> {
  using refs = repo.dir.openDirOptional("refs" as ByteString);
  using cache = repo.dir.openDirOptional(CACHE as ByteString);
  const parts = [
    { name: "objects", dirs: [repo.objects] },
    { name: "refs", dirs: [refs] },
    { name: "cache", dirs: [cache] },
    { name: "metadata", dirs: [repo.dir], except: new Set(["objects", "refs", CACHE]) },
  ];
  return await measureUsage("ostree", parts, options);
}
