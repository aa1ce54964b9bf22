import type { Digest } from "@bootc-store/core";

/** What an image says of a blob: its type, digest and size. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * A document that is identified by the digest of its bytes. The bytes travel with whatever was parsed from
 * them, and writing the document means writing these bytes.
 */
export interface ExactDocument {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}
