import { measureUsage, type Usage, type UsageOptions } from "@bootc-store/backend";
import { utf8 } from "@bootc-store/core";

import type { Repository } from "../repository/repository.ts";

const FOLDERS = ["objects", "streams", "images"] as const;

/** Every inode of the repository once; one with several names counts where it comes first. */
export async function usageOf(repository: Repository, options: UsageOptions = {}): Promise<Usage> {
  repository.assertOpen();
  using objects = repository.dir.openDirOptional(utf8("objects"));
  using streams = repository.dir.openDirOptional(utf8("streams"));
  using images = repository.dir.openDirOptional(utf8("images"));
  const parts = [objects, streams, images].map((dir, at) => ({ name: FOLDERS[at] as string, dirs: [dir] }));
  const rest = { name: "metadata", dirs: [repository.dir], except: new Set<string>(FOLDERS) };
  return await measureUsage("composefs", [...parts, rest], options);
}
