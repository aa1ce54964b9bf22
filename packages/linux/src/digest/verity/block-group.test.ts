import { hash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onLinux } from "../../../tests/helpers.ts";
import { addressOf } from "../../ffi.ts";
import { computeVerity, VerityHasher } from "../../index.ts";
import { GROUP, loadBlockGroups } from "./block-group.ts";
import { encodeDescriptor } from "./descriptor.ts";

const BLOCK = 4096;
const groups = onLinux ? loadBlockGroups() : undefined;

/** fs-verity as its definition says, one hash after the other. */
function plainVerity(data: Uint8Array): string {
  const sha = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");
  let level = Buffer.from(data);
  if (data.length > 0) {
    do {
      const padded = Buffer.concat([level, Buffer.alloc((BLOCK - (level.length % BLOCK)) % BLOCK)]);
      level = Buffer.concat(
        Array.from({ length: padded.length / BLOCK }, (_, at) =>
          sha(padded.subarray(at * BLOCK, (at + 1) * BLOCK)),
        ),
      );
    } while (level.length > 32);
  }
  const params = { algorithm: "sha256", blockSize: BLOCK, salt: new Uint8Array() } as const;
  const root = data.length === 0 ? Buffer.alloc(32) : level;
  return sha(encodeDescriptor(params, data.length, root)).toString("hex");
}

describe.skipIf(groups === undefined)("blocks hashed in groups, where OpenSSL can", () => {
  it("have the hashes that they have one by one", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: GROUP }),
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.boolean(),
        fc.nat({ max: 9 }),
        (count, seed, elsewhere, shift) => {
          const room = Buffer.alloc(GROUP * BLOCK + 16);
          for (let at = 0; at < room.length; at++) room[at] = (seed[at % 61] ?? 0) + (at >> 8);
          const data = room.subarray(shift);
          const last = Buffer.alloc(BLOCK, seed[0]);
          const into = Buffer.alloc(200, 0xee);
          groups?.hash(
            Number(addressOf(data)),
            count,
            into,
            5,
            elsewhere ? Number(addressOf(last)) : undefined,
          );
          const expected = Array.from({ length: count }, (_, at) =>
            hash(
              "sha256",
              elsewhere && at === count - 1 ? last : data.subarray(at * BLOCK, (at + 1) * BLOCK),
              "buffer",
            ),
          );
          expect(into.subarray(5, 5 + count * 32).equals(Buffer.concat(expected))).toBe(true);
          // Nothing beside them is written.
          expect(into[4]).toBe(0xee);
          expect(into.subarray(5 + count * 32).every((byte) => byte === 0xee)).toBe(true);
        },
      ),
    );
  });
});

describe("the digest of a file", () => {
  it("is the definition's, whatever its size and however it is cut", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.nat({ max: 20_000 }),
          fc.nat({ max: 1_200_000 }),
          fc.integer({ min: 0, max: 300 }).map((n) => n * BLOCK),
        ),
        fc.nat({ max: 255 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 5 }),
        (size, seed, cuts) => {
          const data = Buffer.alloc(size);
          for (let at = 0; at < size; at++) data[at] = at * 13 + (at >> 10) + seed;
          const expected = plainVerity(data);
          expect(computeVerity(data, { algorithm: "sha256" }).toString("hex")).toBe(expected);
          const hasher = new VerityHasher({ algorithm: "sha256" });
          for (let at = 0, turn = 0; at < size; turn++) {
            const next = Math.min(size, at + (cuts[turn % cuts.length] as number));
            hasher.update(data.subarray(at, next));
            at = next;
          }
          expect(hasher.finish().toString("hex")).toBe(expected);
        },
      ),
      { numRuns: 150 },
    );
  });
});
