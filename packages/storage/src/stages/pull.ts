// The main job: an image of any transport into the stores of a physical root, one stage after another.

import type { ContentTally, Image } from "@bootc-store/backend";
import { printDigest } from "@bootc-store/core";
import { type ImageReference, printImageReference } from "@bootc-store/oci";

import { composefsToOstree, type OstreeStageResult } from "./composefs-to-ostree.ts";
import type { StageName } from "./index.ts";
import { pullIntoStorage, type StorageStageResult } from "./pull-into-storage.ts";
import type { PhysicalStores } from "./stores.ts";
import { type ComposefsStageResult, storageToComposefs } from "./storage-to-composefs.ts";

export interface PullOptions {
  /** Where the image comes from: its ref in ostree says so. */
  readonly reference: ImageReference;
  /** The image itself, for instance by `imageOfSource`. It stays the caller's. */
  readonly image: Image;
  /** Name that the image gets in containers-storage, its tag in composefs, and, escaped, its ref in ostree. */
  readonly name: string;
  /** Up to which store; each needs those before it. All three unless given. */
  readonly upTo?: StageName;
  /** Also the image for booting. */
  readonly bootable?: boolean;
  readonly signal?: AbortSignal;
  readonly onStage?: (event: {
    readonly stage: StageName;
    readonly type: "started" | "done";
    readonly content?: ContentTally;
  }) => void;
}

export interface PullResult {
  readonly manifest: string;
  readonly config: string;
  readonly containersStorage: StorageStageResult;
  readonly composefs?: ComposefsStageResult;
  readonly ostree?: OstreeStageResult;
}

/** Each stage can be repeated: what is there already is not done again. */
export async function pull(stores: PhysicalStores, options: PullOptions): Promise<PullResult> {
  const { name, upTo = "ostree", bootable, signal, onStage } = options;
  const common = signal === undefined ? {} : { signal };
  const stage = async <T extends { readonly content: ContentTally }>(
    which: StageName,
    work: () => Promise<T>,
  ): Promise<T> => {
    onStage?.({ stage: which, type: "started" });
    const result = await work();
    onStage?.({ stage: which, type: "done", content: result.content });
    return result;
  };

  const { image } = options;
  const storage = stores.containersStorage();
  const first = await stage("containers-storage", () =>
    pullIntoStorage(image, storage, { ...common, names: [name] }),
  );
  const result = {
    manifest: printDigest(image.manifest.digest),
    config: printDigest(image.config.digest),
    containersStorage: first,
  };
  if (upTo === "containers-storage") return result;

  const composefs = await stores.composefs();
  const second = await stage("composefs", () =>
    storageToComposefs(storage, composefs, first.id, {
      ...common,
      tags: [name],
      ...(bootable === undefined ? {} : { bootable }),
    }),
  );
  if (upTo === "composefs") return { ...result, composefs: second };

  const repo = stores.ostree();
  const third = await stage("ostree", () =>
    composefsToOstree(composefs, repo, second.id, {
      ...common,
      name: printImageReference(options.reference),
    }),
  );
  return { ...result, composefs: second, ostree: third };
}
