import type { Digest, OperationOptions } from "@bootc-store/core";
import type { ExactDocument } from "@bootc-store/oci";

import type { AdoptOptions, ContentTally } from "./content.ts";
import type { Layer } from "./layer-port.ts";

/** One layer of an image, by both of its names. */
export interface ImageLayer {
  /** Digest of the blob in the manifest; absent where the store no longer knows it. */
  readonly blob?: { readonly digest: Digest; readonly size: number; readonly mediaType: string };
  readonly diffId: Digest;
}

/** An image: its documents as exact bytes, and its layers, lowest first. */
export interface Image extends AsyncDisposable {
  readonly manifest: ExactDocument;
  readonly config: ExactDocument;
  readonly layers: readonly ImageLayer[];
  openLayer(index: number, options?: OperationOptions): Promise<Layer>;
}

export interface ImageSummary {
  /** The store's own id of the image. */
  readonly id: string;
  readonly names: readonly string[];
  readonly manifestDigest?: Digest;
  readonly created?: string;
}

/** A store out of which images can be read. */
export interface ImageSource {
  listImages(options?: OperationOptions): AsyncIterable<ImageSummary>;
  /** By id, name or manifest digest; `undefined` if there is none. */
  openImage(reference: string, options?: OperationOptions): Promise<Image | undefined>;
}

export interface ImageWriteOptions extends AdoptOptions {
  /** Names that the image gets, in the store's own spelling. */
  readonly names?: readonly string[];
}

export interface WrittenImage {
  readonly id: string;
  readonly created: boolean;
  /** One for each layer of the image, in its order. */
  readonly layers: readonly { readonly diffId: Digest; readonly created: boolean }[];
  readonly content: ContentTally;
}

/** A store into which images can be written. */
export interface ImageSink<O extends ImageWriteOptions = ImageWriteOptions> {
  writeImage(image: Image, options?: O): Promise<WrittenImage>;
}
