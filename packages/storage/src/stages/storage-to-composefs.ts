import type { AdoptOptions, ContentTally, Image } from "@bootc-store/backend";
import type { ComposefsBackend, XattrMode } from "@bootc-store/composefs";
import type { ContainersStorage } from "@bootc-store/containers-storage";

import { storageErrors } from "../errors.ts";

export interface ComposefsStageOptions extends AdoptOptions {
  /** Tags that keep the image in the repository. */
  readonly tags?: readonly string[];
  /** Also the image for booting. By default, where the image has what booting needs. */
  readonly bootable?: boolean;
  readonly xattrs?: XattrMode;
}

export interface ComposefsStageResult {
  /** The manifest's digest, by which the repository knows the image. */
  readonly id: string;
  readonly created: boolean;
  readonly layers: { readonly present: number; readonly written: number };
  readonly content: ContentTally;
  /** Ids of the EROFS images in the repository's first format. */
  readonly image: string | undefined;
  readonly bootImage: string | undefined;
}

/**
 * Stage 2: an image's layers out of containers-storage into composefs. Contents of more than 64 bytes are cloned from the
 * layers' diff directories. Throws `storage/image-missing`.
 */
export async function storageToComposefs(
  storage: ContainersStorage,
  composefs: ComposefsBackend,
  reference: string,
  options: ComposefsStageOptions = {},
): Promise<ComposefsStageResult> {
  await using image = await storage.openImage(reference, options);
  if (image === undefined) {
    throw storageErrors.error("image-missing", `containers-storage has no image ${reference}`, {
      context: { ref: reference },
    });
  }
  return await intoComposefs(image, composefs, options);
}

/** Any image into composefs. */
export async function intoComposefs(
  image: Image,
  composefs: ComposefsBackend,
  options: ComposefsStageOptions = {},
): Promise<ComposefsStageResult> {
  const { tags, ...rest } = options;
  const written = await composefs.writeImage(image, {
    ...rest,
    ...(tags === undefined ? {} : { names: tags }),
  });
  const fresh = written.layers.filter(({ created }) => created).length;
  const format = composefs.repository.meta.erofs.default;
  return {
    id: written.id,
    created: written.created,
    layers: { present: written.layers.length - fresh, written: fresh },
    content: written.content,
    image: written.erofs.plain.get(format),
    bootImage: written.erofs.boot.get(format),
  };
}
