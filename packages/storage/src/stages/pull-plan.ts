// What a pull would do, from the image's documents and what the stores have: nothing is fetched for it, and nothing written.

import type { Image } from "@bootc-store/backend";
import { type OperationOptions, printDigest, throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { storageErrors } from "../errors.ts";
import type { ExistingStores } from "../whole/existing-stores.ts";
import { type StageName, STAGES } from "./index.ts";

export interface PlannedLayer {
  readonly diffId: string;
  /** The blob's digest and bytes, as the manifest has them. */
  readonly blob: string;
  readonly size: number;
  /** Stores that have the layer already. */
  readonly in: readonly StageName[];
  /** Whether it has to be read from where the image is. */
  readonly fetched: boolean;
}

export interface PullPlan {
  readonly manifest: string;
  readonly layers: readonly PlannedLayer[];
  /** Bytes of blobs that are to be read from where the image is: exact. */
  readonly downloadBytes: number;
  /**
   * Bytes of files that are written at most, one copy of them, since stores share it where the file system can; each further
   * store costs a copy where it cannot. `null` where layers come compressed: what they hold is known only then.
   */
  readonly writeBytes: number | null;
  /** What is written at least. */
  readonly leastBytes: number;
  /** Room on the root's file system, what is kept for the administrator included. */
  readonly freeBytes: number;
}

/** Looks only; `stores` may be opened for reading. */
export async function planPull(
  root: Dir,
  stores: ExistingStores,
  image: Image,
  options: OperationOptions & { readonly into?: readonly StageName[] } = {},
): Promise<PullPlan> {
  const into = options.into ?? STAGES;
  const first = STAGES.find((stage) => into.includes(stage));
  const layers: PlannedLayer[] = [];
  let downloadBytes = 0;
  let leastBytes = 0;
  let writeBytes: number | null = 0;
  for (const { diffId, blob } of image.layers) {
    throwIfAborted(options.signal);
    const has: StageName[] = [];
    if ((await stores.containersStorage?.hasLayer(diffId, options)) === true) has.push("containers-storage");
    if ((await stores.composefs?.hasLayer(diffId, options)) === true) has.push("composefs");
    const fetched = first !== undefined && !has.includes(first);
    const size = blob?.size ?? 0;
    layers.push({
      diffId: printDigest(diffId),
      blob: printDigest(blob?.digest ?? diffId),
      size,
      in: has,
      fetched,
    });
    if (!fetched) continue;
    downloadBytes += size;
    leastBytes += size;
    const plain = blob !== undefined && printDigest(blob.digest) === printDigest(diffId);
    if (!plain) writeBytes = null;
    else if (writeBytes !== null) writeBytes += size;
  }
  const { blockSize, blocksFree } = root.info();
  return {
    manifest: printDigest(image.manifest.digest),
    layers,
    downloadBytes,
    writeBytes,
    leastBytes,
    freeBytes: blocksFree * blockSize,
  };
}

/** Throws `storage/disk-too-small` where even what is written at least has no room. */
export function requireRoom({ leastBytes, freeBytes }: PullPlan): void {
  if (leastBytes <= freeBytes) return;
  throw storageErrors.error(
    "disk-too-small",
    `the image needs at least ${leastBytes} bytes, and ${freeBytes} are free`,
    { context: { needed: leastBytes, free: freeBytes } },
  );
}
