import { type Image, type ImageLayer } from "@bootc-store/backend";
import { printDigest } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import type { MergeDocuments } from "./documents.ts";

/** A layer by its place in the image. */
export interface PlacedLayer extends ImageLayer {
  readonly index: number;
}

/** The layers of an image by what is in them: objects of an ostree repository, or files. */
export interface ImageLayout {
  /** Commit, directories, and contents that are in no chunk. */
  readonly base: PlacedLayer | undefined;
  /** Contents alone. */
  readonly chunks: readonly PlacedLayer[];
  readonly derived: readonly PlacedLayer[];
}

const FINAL_DIFF_ID = "ostree.final-diffid";

/** An image without the label is of files alone. Throws `ostree/image-layout-invalid`. */
export function layoutOf(image: Image, documents: MergeDocuments): ImageLayout {
  const layers = image.layers.map((layer, index) => ({ ...layer, index }));
  if (layers.length === 0) throw ostreeErrors.error("image-layout-invalid", "an image without layers");
  const final = documents.labels[FINAL_DIFF_ID];
  if (final === undefined) return { base: undefined, chunks: [], derived: layers };
  const last = layers.findIndex(({ diffId }) => printDigest(diffId) === final);
  if (last < 0) {
    throw ostreeErrors.error("image-layout-invalid", `Missing ${FINAL_DIFF_ID} ${final.slice(0, 160)}`, {
      context: { digest: final.slice(0, 160) },
    });
  }
  return { base: layers[0], chunks: layers.slice(1, last + 1), derived: layers.slice(last + 1) };
}
