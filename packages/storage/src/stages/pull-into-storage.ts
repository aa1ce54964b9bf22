import { type ContentTally, type Image, type ImageWriteOptions, TallyBuilder } from "@bootc-store/backend";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import { equalDigests, isStoreError } from "@bootc-store/core";
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

/** Stage 1: any image into containers-storage. What the store has just so is left untouched. */
export async function pullIntoStorage(
  image: Image,
  storage: ContainersStorage,
  options: ImageWriteOptions = {},
): Promise<StorageStageResult> {
  const there = await presentImage(image, storage, options);
  if (there !== undefined) return there;
  const written = await storage.writeImage(image, options);
  const fresh = written.layers.filter(({ created }) => created).length;
  return {
    id: written.id,
    created: written.created,
    layers: { present: written.layers.length - fresh, written: fresh },
    content: written.content,
  };
}

/** The image, where the store has it with this manifest, all of its layers and all of these names. */
async function presentImage(
  image: Image,
  storage: ContainersStorage,
  { names = [], ...options }: ImageWriteOptions,
): Promise<StorageStageResult | undefined> {
  const id = image.config.digest.hex;
  const record = await storage.findImage(id, options);
  if (record === undefined || names.some((name) => !record.names.includes(name))) return undefined;
  try {
    await using stored = await storage.openImage(id, options);
    if (stored === undefined || !equalDigests(stored.manifest.digest, image.manifest.digest))
      return undefined;
    const chain = await storage.chain(record.layer, options);
    if (
      chain.length !== image.layers.length ||
      chain.some(({ record: { flags } }) => flags["incomplete"] === true)
    )
      return undefined;
    const tally = new TallyBuilder();
    for (const layer of chain) tally.add("reused", layer.record.diffSize ?? 0);
    const content = tally.tally();
    return { id, created: false, layers: { present: chain.length, written: 0 }, content };
  } catch (error) {
    // What cannot be read of it is written again.
    if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
    return undefined;
  }
}
