// What all places of images have in common: documents by digest, and blobs. A source hands out what is there; who
// reads it checks it (`checked.ts`), so that no source can forget to.

import type { Digest, OperationOptions } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import type { Descriptor, ExactDocument } from "../image/descriptor.ts";
import type { ContentFile } from "../tar/segments.ts";

/** The bytes of a blob, unchecked. */
export interface BlobContent {
  /** Bytes, where the place knows. */
  readonly size?: number;
  /**
   * Can be called once. With `reuse` a chunk is the caller's only until it asks for the next; a place that cannot make
   * use of that does not have to.
   */
  read(options?: { readonly reuse?: boolean }): AsyncIterable<Uint8Array>;
  /** Where the bytes are a file of their own, so that they can be cloned. */
  readonly file?: ContentFile<Dir>;
}

/** A place out of which one image can be read. */
export interface ImageTransportSource extends AsyncDisposable {
  /** The document that the reference names: a manifest or an index. The same one each time it is asked for. */
  readDocument(options?: OperationOptions): Promise<ExactDocument>;
  /** Another document, by its digest: an instance of the index. Checked. Throws `oci/blob-not-found`. */
  readDocumentByDigest(descriptor: Descriptor, options?: OperationOptions): Promise<ExactDocument>;
  /** Throws `oci/blob-not-found`. */
  openBlob(descriptor: Descriptor, options?: OperationOptions): Promise<BlobContent>;
  /** Where a blob lies as a file of its own, if it does; nothing is fetched for it. */
  blobFile?(descriptor: Descriptor): ContentFile<Dir> | undefined;
  /** Documents that say something about the image with this digest: signatures in the place's own form. */
  readSignatures?(digest: Digest, options?: OperationOptions): Promise<readonly Uint8Array[]>;
}

/** How a blob came to be at its destination. */
export type HowWritten = "reused" | "cloned" | "copied";

/** What a blob is to its image; archives of Docker treat them differently. */
export type BlobRole = "config" | "layer";

/** A place into which one image can be written: first its blobs, then its documents, then `commit`. */
export interface ImageTransportSink extends AsyncDisposable {
  /** How many blobs can be written at once. */
  readonly parallel: number;
  /** Whether what is written is checked to be what the descriptor says. Throws `oci/digest-mismatch` and the like. */
  writeBlob(
    descriptor: Descriptor,
    open: () => Promise<BlobContent>,
    role: BlobRole,
    options?: OperationOptions,
  ): Promise<HowWritten>;
  /** A document; `top` is the one that gets the image's name, and comes last. */
  writeDocument(document: ExactDocument, top: boolean, options?: OperationOptions): Promise<void>;
  /** Whether indexes can be written. */
  readonly indexes: boolean;
  /** Makes the image visible. Without it nothing of it can be found. */
  commit(options?: OperationOptions): Promise<void>;
}
