import { type VerityParams, VERITY_ALGORITHMS } from "./params.ts";

/**
 * `struct fsverity_descriptor` (linux/fsverity.h), 256 bytes, of which the digest of a file is the hash: version 1 at
 * 0, algorithm at 1, log2 of the block size at 2, salt size at 3, data size u64 at 8, root hash at 16 (64 bytes,
 * zero-padded), salt at 80 (32 bytes); the rest is zero.
 */
export function encodeDescriptor(
  params: Required<VerityParams>,
  dataSize: number,
  rootHash: Uint8Array,
): Buffer {
  const descriptor = Buffer.alloc(256);
  descriptor[0] = 1;
  descriptor[1] = VERITY_ALGORITHMS[params.algorithm].number;
  descriptor[2] = Math.log2(params.blockSize);
  descriptor[3] = params.salt.length;
  descriptor.writeBigUInt64LE(BigInt(dataSize), 8);
  descriptor.set(rootHash, 16);
  descriptor.set(params.salt, 80);
  return descriptor;
}
