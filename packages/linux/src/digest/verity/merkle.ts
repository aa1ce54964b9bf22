import { hash } from "node:crypto";
import { addressOf } from "../../ffi.ts";
import { blockGroups, GROUP } from "./block-group.ts";
import { DEFAULT_BLOCK_SIZE, type VerityParams, VERITY_ALGORITHMS } from "./params.ts";

interface Level {
  readonly block: Buffer;
  /** Bytes of hashes in it. */
  filled: number;
  /** Hashes that were ever put here. */
  count: number;
}

/**
 * The Merkle tree of a run of bytes, of which only one block a level is kept. Hashes block by block with the one-shot
 * call, which for 4 KiB is more than twice as fast as a hash object. Hashes are taken as strings of a character a byte: a
 * buffer each would cost a fifth of the time, and memory that is collected late.
 */
export class MerkleHasher {
  readonly #algorithm: string;
  readonly #blockSize: number;
  readonly #hashSize: number;
  /** The salt padded to the hash function's block, before room for a block; absent without salt. */
  readonly #salted: Buffer | undefined;
  readonly #saltSize: number;
  /** Whether it is what {@link blockGroups} can do. */
  readonly #grouped: boolean;
  readonly #levels: Level[] = [];
  readonly #partial: Buffer;
  #partialSize = 0;
  #size = 0;

  constructor(params: Required<VerityParams>) {
    const { size, hashBlock } = VERITY_ALGORITHMS[params.algorithm];
    this.#algorithm = params.algorithm;
    this.#blockSize = params.blockSize;
    this.#grouped =
      params.algorithm === "sha256" && params.blockSize === DEFAULT_BLOCK_SIZE && params.salt.length === 0;
    this.#hashSize = size;
    this.#partial = Buffer.alloc(params.blockSize);
    this.#saltSize = params.salt.length === 0 ? 0 : hashBlock;
    if (params.salt.length > 0) {
      this.#salted = Buffer.alloc(hashBlock + params.blockSize);
      this.#salted.set(params.salt, 0);
    }
  }

  /** Bytes taken so far. */
  get size(): number {
    return this.#size;
  }

  update(data: Uint8Array): void {
    this.#size += data.length;
    const blockSize = this.#blockSize;
    let at = 0;
    if (this.#partialSize > 0) {
      at = Math.min(blockSize - this.#partialSize, data.length);
      this.#partial.set(data.subarray(0, at), this.#partialSize);
      this.#partialSize += at;
      if (this.#partialSize < blockSize) return;
      this.#add(0, this.#hash(this.#partial));
      this.#partialSize = 0;
    }
    at = this.#addGroups(data, at);
    for (; at + blockSize <= data.length; at += blockSize) {
      this.#add(0, this.#hash(data.subarray(at, at + blockSize)));
    }
    if (at < data.length) {
      this.#partial.set(data.subarray(at), 0);
      this.#partialSize = data.length - at;
    }
  }

  /** The root hash; of no bytes at all, zeros. */
  finish(): Buffer {
    if (this.#size === 0) return Buffer.alloc(this.#hashSize);
    if (this.#partialSize > 0) {
      this.#partial.fill(0, this.#partialSize);
      this.#add(0, this.#hash(this.#partial));
      this.#partialSize = 0;
    }
    for (let index = 0; ; index++) {
      const level = this.#levels[index] as Level;
      if (level.count === 1) return Buffer.from(level.block.subarray(0, this.#hashSize));
      if (level.filled > 0) this.#flush(index, level);
    }
  }

  /** Takes whole groups of blocks, where they can be hashed at once. Returns where the rest begins. */
  #addGroups(data: Uint8Array, start: number): number {
    const step = GROUP * DEFAULT_BLOCK_SIZE;
    if (!this.#grouped || start + step > data.length) return start;
    const groups = blockGroups(data.length - start);
    const level = this.#level(0);
    const size = GROUP * this.#hashSize;
    // What came in pieces before may have left it where a group does not fit.
    if (groups === undefined || level.filled % size !== 0) return start;
    const address = Number(addressOf(data));
    let at = start;
    for (; at + step <= data.length; at += step) {
      groups.hash(address + at, GROUP, level.block, level.filled);
      level.filled += size;
      level.count += GROUP;
      if (level.filled === this.#blockSize) this.#flush(0, level);
    }
    return at;
  }

  #level(index: number): Level {
    return (this.#levels[index] ??= { block: Buffer.alloc(this.#blockSize), filled: 0, count: 0 });
  }

  #add(index: number, digest: string): void {
    const level = this.#level(index);
    level.block.write(digest, level.filled, "latin1");
    level.filled += this.#hashSize;
    level.count++;
    // A full block goes up at once; no further hash can make it anything else.
    if (level.filled === this.#blockSize) this.#flush(index, level);
  }

  #flush(index: number, level: Level): void {
    level.block.fill(0, level.filled);
    level.filled = 0;
    this.#add(index + 1, this.#hash(level.block));
  }

  #hash(block: Uint8Array): string {
    if (this.#salted === undefined) return hash(this.#algorithm, block, "binary");
    this.#salted.set(block, this.#saltSize);
    return hash(this.#algorithm, this.#salted, "binary");
  }
}
