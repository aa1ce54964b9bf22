import { hash } from "node:crypto";
import { addressOf } from "../../ffi.ts";
import { blockGroups, type BlockGroups, GROUP } from "./block-group.ts";
import { encodeDescriptor } from "./descriptor.ts";
import { MerkleHasher } from "./merkle.ts";
import {
  DEFAULT_BLOCK_SIZE,
  resolveParams,
  VERITY_ALGORITHMS,
  type VerityAlgorithm,
  type VerityParams,
} from "./params.ts";

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
  const many =
    algorithm === "sha256" && data.length > DEFAULT_BLOCK_SIZE ? blockGroups(data.length) : undefined;
  const filled = many === undefined ? hashEach(data, algorithm, size) : hashGroups(data, many);
  if (filled > size) {
    hashes.fill(0, filled);
    hashes.write(hash(algorithm, hashes, "binary"), 0, "latin1");
  }
  return hash(algorithm, encodeDescriptor(full, data.length, HASHES[algorithm]), "buffer");
}

/** Puts the hashes of all blocks into `hashes`, and says how many bytes those are. */
function hashEach(data: Uint8Array, algorithm: VerityAlgorithm, size: number): number {
  const rest = data.length % DEFAULT_BLOCK_SIZE;
  const whole = data.length - rest;
  let filled = 0;
  for (let at = 0; at < whole; at += DEFAULT_BLOCK_SIZE, filled += size) {
    hashes.write(hash(algorithm, data.subarray(at, at + DEFAULT_BLOCK_SIZE), "binary"), filled, "latin1");
  }
  if (rest === 0) return filled;
  padLast(data, whole, rest);
  hashes.write(hash(algorithm, block, "binary"), filled, "latin1");
  return filled + size;
}

/** The same of SHA-256, several blocks at once. */
function hashGroups(data: Uint8Array, groups: BlockGroups): number {
  const { size } = VERITY_ALGORITHMS.sha256;
  const rest = data.length % DEFAULT_BLOCK_SIZE;
  if (rest > 0) padLast(data, data.length - rest, rest);
  const address = Number(addressOf(data));
  const count = Math.ceil(data.length / DEFAULT_BLOCK_SIZE);
  for (let at = 0; at < count; at += GROUP) {
    const some = Math.min(GROUP, count - at);
    const last = rest > 0 && at + some === count ? (blockAddress ??= Number(addressOf(block))) : undefined;
    groups.hash(address + at * DEFAULT_BLOCK_SIZE, some, hashes, at * size, last);
  }
  return count * size;
}

let blockAddress: number | undefined;

function padLast(data: Uint8Array, at: number, rest: number): void {
  block.set(at === 0 ? data : data.subarray(at), 0);
  block.fill(0, rest);
}
