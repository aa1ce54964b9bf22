import type { Digest, OperationOptions } from "@bootc-store/core";

import type { AdoptOptions, CloneSource, ContentTally, LayerSegment } from "./content.ts";

/** What a reader of a layer can do without; a source may make use of it or not. */
export interface ReadLayerOptions extends OperationOptions {
  /** The bytes of a segment are the reader's only until it asks for the next. */
  readonly reuse?: boolean;
  /** The reader hashes the bytes and compares the diff id, so the source need not. */
  readonly hashed?: boolean;
}

/** A layer as the exact bytes of its tar. */
export interface Layer {
  /** Digest of the uncompressed tar, which the segments laid end to end have. */
  readonly diffId: Digest;
  /** Bytes of the tar, where that is known beforehand. */
  readonly size?: number;
  /** Reads the layer from its beginning. A source that can be read only once says so by `once`. */
  segments(options?: ReadLayerOptions): AsyncIterable<LayerSegment>;
  readonly once?: boolean;
  /** The same bytes without the bounds of contents, where they can be had so: for who looks at the tar itself anyhow. */
  tar?(options?: ReadLayerOptions): AsyncIterable<Uint8Array>;
  /**
   * The layer as it was shipped, where that lies in a file of its own: for who reads it elsewhere, such as on another thread, and
   * then checks its size, its digest and the diff id itself.
   */
  readonly shipped?: LayerBlob;
}

/** The tar of a layer, compressed or not, as a file. */
export interface LayerBlob {
  readonly file: CloneSource;
  /** Of the file's bytes. */
  readonly digest: Digest;
  readonly size: number;
}

/** A store out of which layers can be read. */
export interface LayerSource {
  /** `undefined` if the store does not have that layer whole. */
  openLayer(diffId: Digest, options?: OperationOptions): Promise<Layer | undefined>;
}

export interface WrittenLayer {
  /** By which the store knows the layer: a layer id, a stream's name, a commit's checksum. */
  readonly id: string;
  readonly created: boolean;
  readonly content: ContentTally;
}

/** A store into which layers can be written. */
export interface LayerSink<O extends AdoptOptions = AdoptOptions> {
  hasLayer(diffId: Digest, options?: OperationOptions): Promise<boolean>;
  /**
   * Writes a layer and checks its diff id over all bytes before it is named: a layer that does not match is
   * refused with an error, and nothing of it can be seen afterwards.
   */
  writeLayer(layer: Layer, options?: O): Promise<WrittenLayer>;
}
