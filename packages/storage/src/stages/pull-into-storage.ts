import type { Image } from "@bootc-store/backend";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import type { OperationOptions } from "@bootc-store/core";
import type { ContentTally, ImageWriteOptions } from "@bootc-store/backend";
import type { Dir } from "@bootc-store/linux";
import { type ImageReference, openImageSource, readImage } from "@bootc-store/oci";

export interface StorageStageResult {
  /** The image's id in the store: the digest of its configuration. */
  readonly id: string;
  /** False if the store had the image already. */
  readonly created: boolean;
  readonly layers: { readonly present: number; readonly written: number };
  readonly content: ContentTally;
}

/** An image of any transport as what a store takes. The image is to be disposed of. */
export async function imageOfReference(
  reference: ImageReference,
  host: { readonly root: Dir; readonly cwd?: string },
  options: OperationOptions = {},
): Promise<Image> {
  const source = await openImageSource(reference, { host, ...options });
  const image = await readImage(source, options);
  return {
    manifest: image.manifest,
    config: image.config,
    layers: image.layers.map(({ blob, diffId }) => ({ diffId, blob })),
    async openLayer(index, more) {
      const layer = await image.openLayer(index, more);
      return { diffId: layer.diffId, segments: (again) => layer.segments(again) };
    },
    [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
  };
}

/** Stage 1: any image into containers-storage. */
export async function pullIntoStorage(
  image: Image,
  storage: ContainersStorage,
  options: ImageWriteOptions = {},
): Promise<StorageStageResult> {
  const written = await storage.writeImage(image, options);
  const fresh = written.layers.filter(({ created }) => created).length;
  return {
    id: written.id,
    created: written.created,
    layers: { present: written.layers.length - fresh, written: fresh },
    content: written.content,
  };
}
