// Signatures of an image as containers/image keeps them: one item with all of them laid end to end, and their lengths in
// the image's metadata; the same once more under the digest of the manifest they sign.

import { type Digest, printDigest } from "@bootc-store/core";

import { containersStorageErrors } from "../errors.ts";
import { type Json, printJson } from "./json-text.ts";

/** The item with the signatures of the image's manifest. */
export const SIGNATURES = "signatures";

/** The item with the signatures of one of an image's manifests. */
export const signatureKey = (manifest: Digest): string => `signature-${manifest.hex}`;

const SIZES = "signature-sizes";
const SIZES_BY_DIGEST = "signatures-sizes";

/** The metadata of an image with these signatures; what else the metadata has is kept. */
export function withSignatureSizes(
  metadata: string | undefined,
  manifest: Digest,
  signatures: readonly Uint8Array[],
): string {
  const known = parseMetadata(metadata);
  const sizes = signatures.map(({ length }) => length);
  const byDigest = { ...objectOf(known[SIZES_BY_DIGEST]), [printDigest(manifest)]: sizes };
  return printJson({ ...known, [SIZES]: sizes, [SIZES_BY_DIGEST]: sorted(byDigest) });
}

/** Lengths of the signatures of a manifest, or of the image's own; none if the metadata says nothing of them. */
export function signatureSizes(metadata: string | undefined, manifest?: Digest): readonly number[] {
  const known = parseMetadata(metadata);
  const sizes =
    manifest === undefined ? known[SIZES] : objectOf(known[SIZES_BY_DIGEST])[printDigest(manifest)];
  if (sizes === undefined || sizes === null) return [];
  const isList =
    Array.isArray(sizes) && sizes.every((size) => Number.isSafeInteger(size) && Number(size) >= 0);
  if (!isList) throw invalid(`${SIZES} is no list of lengths`);
  return sizes as number[];
}

/** The signatures in an item. Throws `containers-storage/signatures-invalid` unless the lengths add up to it. */
export function splitSignatures(item: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total !== item.length) throw invalid(`they have ${item.length} bytes, and lengths of ${total}`);
  let at = 0;
  return sizes.map((size) => item.subarray(at, (at += size)));
}

function parseMetadata(metadata: string | undefined): { readonly [key: string]: Json } {
  if (metadata === undefined || metadata === "") return {};
  let value: Json;
  try {
    value = JSON.parse(metadata) as Json;
  } catch (error) {
    throw invalid(`the image's metadata is no JSON: ${(error as Error).message}`);
  }
  return objectOf(value);
}

function objectOf(value: Json | undefined): { readonly [key: string]: Json } {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as { readonly [key: string]: Json };
  throw invalid("the image's metadata is no object");
}

function sorted(value: { readonly [key: string]: Json }): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function invalid(problem: string): Error {
  return containersStorageErrors.error("signatures-invalid", `signatures of an image: ${problem}`);
}
