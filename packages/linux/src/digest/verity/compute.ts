import { hash } from "node:crypto";
import { encodeDescriptor } from "./descriptor.ts";
import { MerkleHasher } from "./merkle.ts";
import { resolveParams, type VerityParams } from "./params.ts";

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

/** The fs-verity digest of bytes in hand, as bytes. */
export function computeVerity(data: Uint8Array, params: VerityParams): Buffer {
  const hasher = new VerityHasher(params);
  hasher.update(data);
  return hasher.finish();
}
