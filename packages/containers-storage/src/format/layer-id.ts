import { createHash } from "node:crypto";

import type { Digest } from "@bootc-store/core";

/**
 * The id of a layer over its parent: the first layer's is its diff id, each further one's the digest of the parent's
 * id, a plus and the diff id. This is not the image specification's chain id.
 */
export function layerId(parent: string | undefined, diffId: Digest): string {
  if (parent === undefined) return diffId.hex;
  return createHash("sha256").update(`${parent}+${diffId.hex}`).digest("hex");
}
