// The last-write token: what a lock file holds. Whoever changes an index writes new bytes first, and whoever reads
// compares them with those that were there when it last read.

import { randomBytes } from "node:crypto";

export const TOKEN_SIZE = 64;

let counter = 0n;

/** A token that nobody had before: time in nanoseconds, counter, process id, random bytes. */
export function makeToken(pid: number, milliseconds = Date.now()): Buffer {
  const token = Buffer.alloc(TOKEN_SIZE);
  token.writeBigUInt64LE(BigInt(milliseconds) * 1_000_000n, 0);
  token.writeBigUInt64LE(counter++, 8);
  token.writeUInt32LE(pid >>> 0, 16);
  randomBytes(TOKEN_SIZE - 20).copy(token, 20);
  return token;
}
