import type { Image } from "@bootc-store/backend";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import type { ContentTally, ImageWriteOptions } from "@bootc-store/backend";
import { type ImageTransportSource, readImage, type ReadImageOptions } from "@bootc-store/oci";

export interface StorageStageResult {
  /** The image's id in the store: the digest of its configuration. */
  readonly id: string;
  /** False if the store had the image already. */
  readonly created: boolean;
  readonly layers: { readonly present: number; readonly written: number };
  readonly content: ContentTally;
}

/** An image of any transport as what a store takes. It takes over the source, and is to be disposed of. */
export async function imageOfSource(
  source: ImageTransportSource,
  options: ReadImageOptions = {},
): Promise<Image> {
  let image: Awaited<ReturnType<typeof readImage>>;
  try {
    image = await readImage(source, options);
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
  return {
    manifest: image.manifest,
    config: image.config,
    layers: image.layers.map(({ blob, diffId }) => ({ diffId, blob })),
    openLayer: (index, more) => image.openLayer(index, more),
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
