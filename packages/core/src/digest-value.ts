import { toHex } from "./bytes.ts";
import { coreErrors } from "./errors.ts";

/** The hash algorithms that the stores name things by, with the length of their output in bytes. */
export const DIGEST_SIZES = { sha256: 32, sha384: 48, sha512: 64 } as const;

export type DigestAlgorithm = keyof typeof DIGEST_SIZES;

/** A parsed digest. Text form: `sha256:` and 64 lower-case hexadecimal digits. */
export interface Digest {
  readonly algorithm: DigestAlgorithm;
  /** Lower-case hexadecimal of the algorithm's full length. */
  readonly hex: string;
}

/** `ALGORITHM:HEX` as the OCI image specification has it; throws `core/digest-invalid`. */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(":");
  const algorithm = text.slice(0, colon);
  if (colon > 0 && Object.hasOwn(DIGEST_SIZES, algorithm)) {
    return digestFromHex(algorithm as DigestAlgorithm, text.slice(colon + 1));
  }
  throw coreErrors.error("digest-invalid", `not a digest of a known algorithm: "${text.slice(0, 160)}"`);
}

/** {@link parseDigest}, with `undefined` for anything that is not a digest. */
export function parseDigestOptional(text: string): Digest | undefined {
  try {
    return parseDigest(text);
  } catch {
    return undefined;
  }
}

/** A digest from its hexadecimal digits, which must be lower-case and of the full length. */
export function digestFromHex(algorithm: DigestAlgorithm, hex: string): Digest {
  if (!/^[0-9a-f]*$/.test(hex) || hex.length !== DIGEST_SIZES[algorithm] * 2) {
    const want = `${DIGEST_SIZES[algorithm] * 2} lower-case hexadecimal digits`;
    throw coreErrors.error("digest-invalid", `not a ${algorithm} digest (${want}): "${hex.slice(0, 160)}"`);
  }
  return { algorithm, hex };
}

export function digestFromBytes(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return digestFromHex(algorithm, toHex(bytes));
}

export function printDigest(digest: Digest): string {
  return `${digest.algorithm}:${digest.hex}`;
}

export function equalDigests(a: Digest, b: Digest): boolean {
  return a.algorithm === b.algorithm && a.hex === b.hex;
}
