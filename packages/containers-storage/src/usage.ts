import { measureUsage, type Usage, type UsageOptions } from "@bootc-store/backend";

import type { Part } from "./places.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

const NAMES: Readonly<Record<Part, string>> = {
  content: "layers",
  layers: "layer-records",
  images: "images",
  containers: "containers",
};

/** Adds up the inodes of the store, each once. Mounted layers are not entered. */
export async function computeUsage({ places }: StoreRoot, options: UsageOptions): Promise<Usage> {
  const parts = (Object.keys(NAMES) as Part[]).map((part) => ({
    name: NAMES[part],
    dirs: [places.dirOptional(part)],
  }));
  return await measureUsage("containers-storage", parts, options);
}
