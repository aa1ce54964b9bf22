import type { AdoptOptions, ContentTally } from "@bootc-store/backend";

import type { Checksum } from "../format/checksum.ts";
import type { StoredImage } from "./images.ts";

export interface ImportImageOptions extends AdoptOptions {
  /** Transport and name, under which the image gets its ref. Without it only the layers have refs. */
  readonly reference?: string;
  /** Seconds since 1970 that commits of layers get, all of them or each by the digest of its blob; now unless given. */
  readonly layerTimestamp?: number | ReadonlyMap<string, number>;
  /**
   * Whether the merge commit says the digest of its composefs image, in `ostree.composefs.digest.v0`, where ostree checks it
   * when it deploys. ostree-ext's own commits have none, so the commit is then another one than ostree-ext would make.
   */
  readonly composefsDigest?: boolean;
  /** False leaves refs of layers that no image has any more. */
  readonly collect?: boolean;
  readonly fsync?: boolean;
  /** Stores all of it again, whatever is there: what is missing of an image that a repository believes it has comes back. */
  readonly again?: boolean;
}

export interface ImportedImage {
  /** The merge commit. */
  readonly commit: Checksum;
  readonly ref: string | undefined;
  /** False if the repository has the image under this reference already; then nothing was written. */
  readonly created: boolean;
  /** What the ref stood for before, if it was another image. */
  readonly replaced?: StoredImage;
  readonly layersPresent: number;
  readonly layersImported: number;
  /** Bytes of the blobs of imported layers. */
  readonly bytesImported: number;
  /** Entries that were left out of layers of files, by the name they are reported under. */
  readonly dropped: ReadonlyMap<string, number>;
  readonly content: ContentTally;
}
