import { hash } from "node:crypto";
import { encodeDescriptor } from "./descriptor.ts";
import { MerkleHasher } from "./merkle.ts";
import { DEFAULT_BLOCK_SIZE, resolveParams, type VerityParams } from "./params.ts";

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

const block = Buffer.alloc(DEFAULT_BLOCK_SIZE);

/** The fs-verity digest of bytes in hand, as bytes. */
export function computeVerity(data: Uint8Array, params: VerityParams): Buffer {
  const full = resolveParams(params);
  if (
    data.length > 0 &&
    data.length <= DEFAULT_BLOCK_SIZE &&
    full.blockSize === DEFAULT_BLOCK_SIZE &&
    full.salt.length === 0
  ) {
    // Most files of a system are this small: one block, no tree.
    block.set(data, 0);
    block.fill(0, data.length);
    const root = hash(full.algorithm, block, "buffer");
    return hash(full.algorithm, encodeDescriptor(full, data.length, root), "buffer");
  }
  const hasher = new VerityHasher(params);
  hasher.update(data);
  return hasher.finish();
}
