// Stage 3: an image out of composefs into ostree, from its layers as segments: the composefs tree itself has lost
// attributes that ostree keeps. Commits, refs and labels are those that ostree-ext makes of the image; contents are cloned
// from composefs' objects.

import type { AdoptOptions, ContentTally, Image } from "@bootc-store/backend";
import type { ComposefsBackend } from "@bootc-store/composefs";
import { importImage, type Repo } from "@bootc-store/ostree";

import { storageErrors } from "../errors.ts";

export interface OstreeStageOptions extends AdoptOptions {
  /** The image's reference, transport and name, which its ref is made of. */
  readonly name: string;
  /** Seconds since 1970 that the commits of layers get; now unless given. */
  readonly layerTimestamp?: number;
  /** Whether the merge commit says the digest of its composefs image; see `importImage`. */
  readonly composefsDigest?: boolean;
}

export interface OstreeStageResult {
  /** The merge commit. */
  readonly commit: string;
  readonly ref: string;
  /** False if the repository had the image under this reference already. */
  readonly created: boolean;
  readonly layers: { readonly present: number; readonly written: number };
  /** Entries that ostree cannot hold and that were left out, by name. */
  readonly dropped: ReadonlyMap<string, number>;
  readonly content: ContentTally;
}

/** Throws `storage/image-missing`, and what layers are refused for. */
export async function composefsToOstree(
  composefs: ComposefsBackend,
  repo: Repo,
  reference: string,
  options: OstreeStageOptions,
): Promise<OstreeStageResult> {
  await using image = await composefs.openImage(reference, options);
  if (image === undefined) {
    throw storageErrors.error("image-missing", `the composefs repository has no image ${reference}`, {
      context: { ref: reference },
    });
  }
  return await intoOstree(image, repo, options);
}

/** Any image into ostree, whose layers' contents are to stay readable until this ends. */
export async function intoOstree(
  image: Image,
  repo: Repo,
  options: OstreeStageOptions,
): Promise<OstreeStageResult> {
  const { name, ...rest } = options;
  const imported = await importImage(repo, image, { ...rest, reference: name });
  return {
    commit: imported.commit,
    ref: imported.ref ?? "",
    created: imported.created,
    layers: { present: imported.layersPresent, written: imported.layersImported },
    dropped: imported.dropped,
    content: imported.content,
  };
}
