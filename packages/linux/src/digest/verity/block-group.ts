// SHA-256 of several blocks at once. A core with SHA instructions does two interleaved in little more than the time of
// one, and others four with AVX2; OpenSSL, which Node is linked with, has both, for the blocks of TLS
// (crypto/sha/asm/sha256-mb-x86_64.pl). One hash at a time leaves half of the core idle, and costs a call each.
//
// Not a public function of OpenSSL: it is taken only where the process has it, with the version whose form of it is
// known, and after it gave the right hashes. Elsewhere hashes are made one by one, with the same result.

import { hash } from "node:crypto";
import { addressOf, declareCalls, libc } from "../../ffi.ts";
import { DEFAULT_BLOCK_SIZE } from "./params.ts";

const native = declareCalls<{
  multiBlock(states: Uint8Array, messages: Uint8Array, lanes: number): number;
}>({ multiBlock: libc("sha256_multi_block", "void *, const void *, int") });

/** At most this many blocks are hashed by one call. */
export const GROUP = 4;
const HASH_SIZE = 32;
const WORDS = 8;
/** The states of eight messages, of which four are used: word by word, all messages' first. */
const LANES = 8;
const INITIAL = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];
/** What a block of the hash function has. */
const PIECE = 64;

export interface BlockGroups {
  /**
   * Puts the SHA-256 of `count` blocks of 4096 bytes, at most four, into `into` from `at` on.
   * @param address of the first one; the others follow it, except that the last is at `last` if that is given.
   */
  hash(address: number, count: number, into: Uint8Array, at: number, last?: number): void;
}

class MultiBlock implements BlockGroups {
  readonly #states = new Uint32Array(WORDS * LANES);
  readonly #stateBytes = Buffer.from(this.#states.buffer);
  readonly #initial = Uint32Array.from(this.#states, (_, at) => INITIAL[Math.floor(at / LANES)] as number);
  /** Address (64 bits), number of pieces (32 bits) and nothing (32 bits) of each message. */
  readonly #messages = new Uint32Array(GROUP * 4);
  readonly #messageBytes = Buffer.from(this.#messages.buffer);
  /** The last piece of a message of 4096 bytes: a bit, zeros, and the length in bits. */
  readonly #end = Buffer.alloc(PIECE);
  readonly #endAddress: number;
  readonly #hashes = new Uint8Array(GROUP * HASH_SIZE);
  readonly #view = new DataView(this.#hashes.buffer);

  constructor() {
    this.#end[0] = 0x80;
    this.#end.writeUInt32BE(DEFAULT_BLOCK_SIZE * 8, PIECE - 4);
    this.#endAddress = Number(addressOf(this.#end));
  }

  hash(address: number, count: number, into: Uint8Array, at: number, last?: number): void {
    this.#states.set(this.#initial);
    for (let lane = 0; lane < GROUP; lane++) {
      const from = lane === count - 1 && last !== undefined ? last : address + lane * DEFAULT_BLOCK_SIZE;
      this.#message(lane, from, lane < count ? DEFAULT_BLOCK_SIZE / PIECE : 0);
    }
    native.multiBlock(this.#stateBytes, this.#messageBytes, 1);
    for (let lane = 0; lane < GROUP; lane++) this.#message(lane, this.#endAddress, lane < count ? 1 : 0);
    native.multiBlock(this.#stateBytes, this.#messageBytes, 1);
    for (let lane = 0; lane < count; lane++) {
      for (let word = 0; word < WORDS; word++) {
        this.#view.setUint32(lane * HASH_SIZE + word * 4, this.#states[word * LANES + lane] as number);
      }
    }
    into.set(count === GROUP ? this.#hashes : this.#hashes.subarray(0, count * HASH_SIZE), at);
  }

  #message(lane: number, address: number, pieces: number): void {
    this.#messages[lane * 4] = address % 2 ** 32;
    this.#messages[lane * 4 + 1] = Math.floor(address / 2 ** 32);
    this.#messages[lane * 4 + 2] = pieces;
  }
}

/** Before this much was hashed it is not worth loading what calls native code. */
const WORTH_LOADING = 1 << 21;
let hashed = 0;
let groups: BlockGroups | undefined;
let tried = false;

/** Hashes groups of blocks, where that can be done here; `undefined` too while little was hashed by this thread. */
export function blockGroups(bytes: number): BlockGroups | undefined {
  if (tried) return groups;
  hashed += bytes;
  return hashed < WORTH_LOADING ? undefined : loadBlockGroups();
}

/** The same at once. */
export function loadBlockGroups(): BlockGroups | undefined {
  if (tried) return groups;
  tried = true;
  if (process.arch !== "x64" || !process.versions.openssl.startsWith("3.")) return undefined;
  try {
    const made = new MultiBlock();
    if (givesTheSame(made)) groups = made;
  } catch (error) {
    if ((error as { code?: string }).code !== "linux/unsupported") throw error;
  }
  return groups;
}

function givesTheSame(made: BlockGroups): boolean {
  const data = Buffer.alloc(GROUP * DEFAULT_BLOCK_SIZE);
  for (let at = 0; at < data.length; at++) data[at] = at * 7 + (at >> 9);
  const expected = Buffer.concat(
    Array.from({ length: GROUP }, (_, at) =>
      hash("sha256", data.subarray(at * DEFAULT_BLOCK_SIZE, (at + 1) * DEFAULT_BLOCK_SIZE), "buffer"),
    ),
  );
  const found = Buffer.alloc(expected.length);
  made.hash(Number(addressOf(data)), GROUP, found, 0);
  return found.equals(expected);
}
