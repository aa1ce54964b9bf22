import { linuxErrors } from "../../errors.ts";

/** The hash functions of fs-verity, with the numbers that the kernel gives them and their sizes in bytes. */
export const VERITY_ALGORITHMS = {
  sha256: { number: 1, size: 32, hashBlock: 64 },
  sha512: { number: 2, size: 64, hashBlock: 128 },
} as const;

export type VerityAlgorithm = keyof typeof VERITY_ALGORITHMS;

/** How a file is measured. The image stores use blocks of 4096 bytes and no salt. */
export interface VerityParams {
  readonly algorithm: VerityAlgorithm;
  /** A power of two from 1024 to 65536. Default 4096. */
  readonly blockSize?: number;
  /** Up to 32 bytes. Default none. */
  readonly salt?: Uint8Array;
}

export const DEFAULT_BLOCK_SIZE = 4096;

/** Params with every field, checked. Throws `linux/verity-parameters`. */
export function resolveParams(params: VerityParams): Required<VerityParams> {
  const blockSize = params.blockSize ?? DEFAULT_BLOCK_SIZE;
  const salt = params.salt ?? new Uint8Array();
  if (!Object.hasOwn(VERITY_ALGORITHMS, params.algorithm))
    throw invalid(`no algorithm "${params.algorithm}"`);
  if (blockSize < 1024 || blockSize > 65_536 || (blockSize & (blockSize - 1)) !== 0) {
    throw invalid(`a block of ${blockSize} bytes`);
  }
  if (salt.length > 32) throw invalid(`a salt of ${salt.length} bytes`);
  return { algorithm: params.algorithm, blockSize, salt };
}

/** The algorithm of the kernel's number, or `undefined`. */
export function verityAlgorithmOf(number: number): VerityAlgorithm | undefined {
  if (number === 1) return "sha256";
  return number === 2 ? "sha512" : undefined;
}

function invalid(what: string): Error {
  return linuxErrors.error("verity-parameters", `fs-verity does not have ${what}`);
}
