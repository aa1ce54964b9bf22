// Values of options and operands, and what cfsctl says of wrong ones.

import { type Digest, parseDigest, parseDigestOptional } from "@bootc-store/core";

import { ALGORITHMS, algorithmByName, type ComposefsAlgorithm } from "../../algorithm.ts";

const LENGTHS: { readonly [algorithm: string]: number | undefined } = { sha256: 64, sha384: 96, sha512: 128 };

/** What is wrong with an OCI digest. */
export function digestProblem(text: string): string | undefined {
  const colon = text.indexOf(":");
  if (colon < 0) return "missing ':' in digest";
  const algorithm = text.slice(0, colon);
  const value = text.slice(colon + 1);
  if (algorithm === "") return "Empty algorithm component";
  if (!/^[a-z0-9]+(?:[+._-][a-z0-9]+)*$/.test(algorithm)) return `Invalid algorithm component: ${algorithm}`;
  if (value === "") return "Empty algorithm value";
  const length = LENGTHS[algorithm];
  if (length === undefined) return undefined;
  if (value.length !== length) return `Invalid digest length ${value.length} expected ${length}`;
  return /^[0-9a-f]+$/.test(value) ? undefined : `Invalid non-hexadecimal character in digest: ${value}`;
}

/** An image is a tag, or a digest behind an `@`. */
export function imageProblem(text: string): string | undefined {
  if (!text.startsWith("@") || parseDigestOptional(text.slice(1)) !== undefined) return undefined;
  return "Invalid OCI digest after '@'";
}

export type ImageName = { readonly digest: Digest } | { readonly tag: string };

export function imageNameOf(text: string): ImageName {
  return text.startsWith("@") ? { digest: parseDigest(text.slice(1)) } : { tag: text };
}

export function xattrsProblem(text: string): string | undefined {
  if (text === "allowlist-only" || text === "keep-user-xattrs") return undefined;
  return `invalid xattr filtering mode ${JSON.stringify(text)} (expected "allowlist-only" or "keep-user-xattrs")`;
}

/** `fsverity-HASH-12`. */
export function algorithmProblem(text: string): string | undefined {
  if (algorithmByName(text) !== undefined) return undefined;
  const rest = /^fsverity-(.*)$/s.exec(text)?.[1];
  if (rest === undefined) return "algorithm must start with 'fsverity-'";
  const dash = rest.lastIndexOf("-");
  if (dash < 0) return "algorithm must be 'fsverity-<hash>-<lg_blocksize>'";
  const hash = rest.slice(0, dash);
  const block = rest.slice(dash + 1);
  if (!/^\d{1,3}$/.test(block) || Number(block) > 255) return `invalid lg_blocksize '${block}'`;
  if (Number(block) !== 12)
    return `unsupported lg_blocksize ${Number(block)} (only 12 is currently supported)`;
  return `unsupported hash algorithm '${hash}' (expected sha256 or sha512)`;
}

/** Whether text is an object's id, and if not why. */
export function objectIdProblem(text: string, algorithm: ComposefsAlgorithm): string | undefined {
  if (text.length !== ALGORITHMS[algorithm].digestSize * 2) return "Invalid string length";
  const at = text.search(/[^0-9a-fA-F]/);
  return at < 0 ? undefined : `Invalid character '${text[at] ?? ""}' at position ${at}`;
}

/** `54.76 KiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value.toFixed(2)} ${UNITS[unit] ?? ""}`;
}

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
