import type { DigestAlgorithm } from "@bootc-store/core";

/**
 * What a regular file holds: its bytes where they are few, else a reference.
 *
 * - `inline`: the bytes themselves, as many as the file's size says;
 * - `external`: a key that the content source which comes with the tree can open;
 * - `sparse`: as many zero bytes as the size says, stored nowhere.
 */
export type FileContent = InlineContent | ExternalContent | SparseContent;

export interface InlineContent {
  readonly kind: "inline";
  readonly bytes: Uint8Array;
}

export interface ExternalContent {
  readonly kind: "external";
  /** Opaque to the tree: an object's name, a path, a position in a layer. */
  readonly key: string;
  /** SHA-256 of the bytes, where it is known, in lower-case hexadecimal. */
  readonly sha256?: string;
  /** The fs-verity digest (4096-byte blocks, no salt), where it is known. */
  readonly verity?: VerityDigest;
}

export interface SparseContent {
  readonly kind: "sparse";
}

/** An fs-verity digest of 4096-byte blocks without salt. */
export interface VerityDigest {
  readonly algorithm: Extract<DigestAlgorithm, "sha256" | "sha512">;
  /** Lower-case hexadecimal of the algorithm's full length. */
  readonly hex: string;
}

/** The content of every empty file. */
export const EMPTY_CONTENT: InlineContent = Object.freeze({ kind: "inline", bytes: new Uint8Array(0) });

export const SPARSE_CONTENT: SparseContent = Object.freeze({ kind: "sparse" });

/** Whether two contents are known to be the same: equal bytes, equal digests, or the same key of one source. */
export function equalContent(a: FileContent, b: FileContent): boolean {
  if (a === b) return true;
  if (a.kind === "inline" && b.kind === "inline") {
    return a.bytes.length === b.bytes.length && a.bytes.every((byte, at) => byte === b.bytes[at]);
  }
  if (a.kind === "external" && b.kind === "external") {
    if (a.sha256 !== undefined && b.sha256 !== undefined) return a.sha256 === b.sha256;
    if (a.verity !== undefined && b.verity?.algorithm === a.verity.algorithm) {
      return a.verity.hex === b.verity.hex;
    }
    return a.key === b.key;
  }
  return a.kind === "sparse" && b.kind === "sparse";
}
