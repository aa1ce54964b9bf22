// The main job: an image of any transport into the stores of a physical root, one stage after another.

import type { ContentTally, Image } from "@bootc-store/backend";
import type { ComposefsBackend } from "@bootc-store/composefs";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import { type OnProgress, type OperationOptions, printDigest, type Progress } from "@bootc-store/core";
import { type ImageReference, printImageReference } from "@bootc-store/oci";

import { composefsToOstree, intoOstree, type OstreeStageResult } from "./composefs-to-ostree.ts";
import { type StageName, STAGES } from "./index.ts";
import { pullIntoStorage, type StorageStageResult } from "./pull-into-storage.ts";
import type { PhysicalStores } from "./stores.ts";
import { type ComposefsStageResult, intoComposefs, storageToComposefs } from "./storage-to-composefs.ts";

export interface PullOptions extends OperationOptions<PullProgress> {
  /** Where the image comes from: its ref in ostree says so. */
  readonly reference: ImageReference;
  /** The image itself, for instance by `imageOfSource`. It stays the caller's. */
  readonly image: Image;
  /** Name that the image gets in containers-storage, its tag in composefs, and, escaped, its ref in ostree. */
  readonly name: string;
  /** Into which stores; all three unless given. Each gets it from the nearest before it that is among them, else from `image`. */
  readonly into?: readonly StageName[];
  /** Also the image for booting. */
  readonly bootable?: boolean;
}

/** `stage` is a whole stage, in layers; `layer` one layer of the first, in bytes of its tar. */
export type PullProgress = Progress<"stage" | "layer">;

export interface PullResult {
  readonly manifest: string;
  readonly config: string;
  readonly containersStorage?: StorageStageResult;
  readonly composefs?: ComposefsStageResult;
  readonly ostree?: OstreeStageResult;
}

/** Each stage can be repeated: what is there already is not done again. */
export async function pull(stores: PhysicalStores, options: PullOptions): Promise<PullResult> {
  const { image, name, into = STAGES, bootable, signal, onProgress } = options;
  const common = signal === undefined ? {} : { signal };
  const stage = async <T extends { readonly layers: Layers; readonly content: ContentTally }>(
    which: StageName,
    work: () => Promise<T>,
  ): Promise<T> => {
    const total = image.layers.length;
    const about = { task: "stage", id: which, unit: "items", total } as const;
    onProgress?.({ ...about, type: "started", done: 0 });
    const result = await work();
    const how = howOf(result.content);
    onProgress?.({ ...about, type: "done", done: total, ...(how === undefined ? {} : { how }) });
    return result;
  };

  let result: PullResult = {
    manifest: printDigest(image.manifest.digest),
    config: printDigest(image.config.digest),
  };
  let storage: ContainersStorage | undefined;
  if (into.includes("containers-storage")) {
    storage = stores.containersStorage();
    const store = storage;
    const first = await stage("containers-storage", () =>
      pullIntoStorage(image, store, { ...common, names: [name], ...layerProgress(onProgress) }),
    );
    result = { ...result, containersStorage: first };
  }

  let composefs: ComposefsBackend | undefined;
  if (into.includes("composefs")) {
    composefs = await stores.composefs();
    const store = composefs;
    const more = { ...common, tags: [name], ...(bootable === undefined ? {} : { bootable }) };
    const id = result.containersStorage?.id;
    const second = await stage("composefs", () =>
      storage === undefined || id === undefined
        ? intoComposefs(image, store, more)
        : storageToComposefs(storage, store, id, more),
    );
    result = { ...result, composefs: second };
  }

  if (into.includes("ostree")) {
    const repo = stores.ostree();
    const more = { ...common, name: printImageReference(options.reference) };
    const id = result.composefs?.id;
    const third = await stage("ostree", () =>
      composefs === undefined || id === undefined
        ? intoOstree(image, repo, more)
        : composefsToOstree(composefs, repo, id, more),
    );
    result = { ...result, ostree: third };
  }
  return result;
}

interface Layers {
  readonly present: number;
  readonly written: number;
}

/** How most of the content was put in place. */
function howOf(tally: ContentTally): PullProgress["how"] {
  const most = (["reused", "cloned", "linked", "copied"] as const)
    .filter((how) => tally[how].files > 0)
    .sort((a, b) => tally[b].bytes - tally[a].bytes);
  return most[0];
}

function layerProgress(onProgress: PullOptions["onProgress"]): { onProgress?: OnProgress } {
  if (onProgress === undefined) return {};
  return { onProgress: (each) => onProgress({ ...each, task: "layer" }) };
}
