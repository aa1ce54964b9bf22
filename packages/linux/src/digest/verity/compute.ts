import { hash } from "node:crypto";
import { encodeDescriptor } from "./descriptor.ts";
import { MerkleHasher } from "./merkle.ts";
import { DEFAULT_BLOCK_SIZE, resolveParams, VERITY_ALGORITHMS, type VerityParams } from "./params.ts";

/**
 * The fs-verity digest of bytes that come in pieces of any size: what the kernel would measure of a file with this
 * content (fs/verity/ in the kernel, Documentation/filesystems/fsverity.rst).
 */
export class VerityHasher {
  readonly #params: Required<VerityParams>;
  readonly #tree: MerkleHasher;

  constructor(params: VerityParams) {
    this.#params = resolveParams(params);
    this.#tree = new MerkleHasher(this.#params);
  }

  update(data: Uint8Array): void {
    this.#tree.update(data);
  }

  /** The digest's bytes. The hasher cannot be used afterwards. */
  finish(): Buffer {
    const root = this.#tree.finish();
    return hash(this.#params.algorithm, encodeDescriptor(this.#params, this.#tree.size, root), "buffer");
  }
}

/** A block that is filled up with zeros, or of hashes. */
const block = Buffer.alloc(DEFAULT_BLOCK_SIZE);
const hashes = Buffer.alloc(DEFAULT_BLOCK_SIZE);
const HASHES = { sha256: hashes.subarray(0, 32), sha512: hashes.subarray(0, 64) } as const;

/** The fs-verity digest of bytes in hand, as bytes. */
export function computeVerity(data: Uint8Array, params: VerityParams): Buffer {
  const full = resolveParams(params);
  const { algorithm } = full;
  const { size } = VERITY_ALGORITHMS[algorithm];
  const usual = full.blockSize === DEFAULT_BLOCK_SIZE && full.salt.length === 0;
  // Most files of a system are so small that their hashes fill one block at most, and need no tree.
  if (!usual || data.length === 0 || data.length > (DEFAULT_BLOCK_SIZE / size) * DEFAULT_BLOCK_SIZE) {
    const hasher = new VerityHasher(params);
    hasher.update(data);
    return hasher.finish();
  }
  const rest = data.length % DEFAULT_BLOCK_SIZE;
  const whole = data.length - rest;
  let filled = 0;
  for (let at = 0; at < whole; at += DEFAULT_BLOCK_SIZE, filled += size) {
    hashes.write(hash(algorithm, data.subarray(at, at + DEFAULT_BLOCK_SIZE), "binary"), filled, "latin1");
  }
  if (rest > 0) {
    block.set(whole === 0 ? data : data.subarray(whole), 0);
    block.fill(0, rest);
    hashes.write(hash(algorithm, block, "binary"), filled, "latin1");
    filled += size;
  }
  if (filled > size) {
    hashes.fill(0, filled);
    hashes.write(hash(algorithm, hashes, "binary"), 0, "latin1");
  }
  return hash(algorithm, encodeDescriptor(full, data.length, HASHES[algorithm]), "buffer");
}
