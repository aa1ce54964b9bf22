// Damaged images: whatever is changed, the reader gives a tree or an error of its own, soon, and with little memory.
// `BOOTC_STORE_LONG=1` looks at 200,000 of them, `EROFS_MUTATIONS` at another number.

import { isStoreError } from "@bootc-store/core";
import * as fc from "fast-check";
import { expect, test } from "vitest";

import {
  checkImage,
  type ImageFormat,
  imageObjects,
  imageOfTree,
  imageTables,
  printDump,
  readImage,
  writeImage,
} from "../src/index.ts";
import { trees } from "./arbitrary.ts";

const COUNT = Number(
  process.env["EROFS_MUTATIONS"] ?? (process.env["BOOTC_STORE_LONG"] === undefined ? 1500 : 200_000),
);
const SEED = Number(process.env["EROFS_SEED"] ?? Date.now() % 0x7fff_ffff);
const MOST_MEMORY = 64 << 20;
const MOST_MS = 5000;
const SUPERBLOCK_AT = 1024;

const FORMATS: readonly ImageFormat[] = [
  { writer: "c", minVersion: 0, maxVersion: 0 },
  { writer: "c", minVersion: 1, maxVersion: 1 },
  { writer: "composefs-rs", version: 1 },
  { writer: "composefs-rs", version: 2 },
];

/** Numbers of which a length, an offset or a count is easily made. */
const NUMBERS = [0, 1, 2, 3, 11, 12, 31, 32, 63, 127, 128, 255, 256, 4095, 4096, 0x7fff, 0x8000, 0xffff];
const LARGE = [0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const edit = fc.oneof(
  fc.record({ kind: fc.constant("bit" as const), place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("u16" as const), place, value: fc.constantFrom(...NUMBERS) }),
  fc.record({ kind: fc.constant("u32" as const), place, value: fc.constantFrom(...NUMBERS, ...LARGE) }),
  // A field of one of the two headers.
  fc.record({
    kind: fc.constant("field" as const),
    table: fc.constantFrom("header" as const, "superblock" as const),
    place,
    value: fc.constantFrom(...NUMBERS, ...LARGE),
  }),
);

type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

const TABLES = {
  header: { at: 0, fields: imageTables.composefsHeader.fields },
  superblock: { at: SUPERBLOCK_AT, fields: imageTables.superblock.fields },
};

function apply(bytes: Uint8Array, change: Edit): void {
  const view = new DataView(bytes.buffer);
  if (change.kind === "field") {
    const { at, fields } = TABLES[change.table];
    const field = fields[Math.floor(change.place * fields.length)];
    if (field === undefined) throw new RangeError("a table without fields");
    for (let byte = 0; byte < Math.min(4, field.size); byte++)
      bytes[at + field.offset + byte] = (change.value >>> (8 * byte)) & 0xff;
    return;
  }
  // Most of an image is padding; what is between the headers and the data is hit in half of the cases.
  const end = change.place < 0.5 ? bytes.length : Math.min(bytes.length, 32_768);
  const at = SUPERBLOCK_AT + Math.floor(((2 * change.place) % 1) * (end - SUPERBLOCK_AT - 8));
  if (change.kind === "bit") bytes[at] = (bytes[at] ?? 0) ^ (1 << change.bit);
  else if (change.kind === "u16") view.setUint16(at & ~1, change.value, true);
  else view.setUint32(at & ~3, change.value, true);
}

const READERS: readonly ((bytes: Uint8Array) => void)[] = [
  (bytes) => void [...printDump(readImage(bytes).root, { dialect: "composefs-rs" })],
  (bytes) => void [...printDump(readImage(bytes, { dialect: "c" }).root, { dialect: "c" })],
  (bytes) => void imageObjects(bytes),
  (bytes) => void [...checkImage(bytes, "x")],
];

function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(`${COUNT} damaged images, seed ${SEED}: no other error, no wait, no more memory than is allowed`, () => {
  const knobs = { algorithm: "sha256", maxInline: 512, maxTarget: 1024, whiteouts: true } as const;
  const images = fc
    .sample(trees(knobs), { numRuns: 60, seed: SEED })
    .flatMap((tree) => FORMATS.map((format) => writeImage(imageOfTree(tree), format)));
  let refused = 0;
  let most = 0;
  let slowest = 0;
  fc.assert(
    fc.property(
      fc.nat(images.length - 1),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.nat(READERS.length - 1),
      (which, edits, how) => {
        const bytes = images[which]?.slice() ?? new Uint8Array(0);
        const read = READERS[how] ?? imageObjects;
        for (const change of edits) apply(bytes, change);
        const before = memory();
        const start = performance.now();
        try {
          read(bytes);
        } catch (error) {
          if (!isStoreError(error)) throw error;
          expect(error.code).toMatch(/^erofs\/image-/);
          refused++;
        }
        slowest = Math.max(slowest, performance.now() - start);
        most = Math.max(most, memory() - before);
        expect(slowest).toBeLessThan(MOST_MS);
        expect(most).toBeLessThan(MOST_MEMORY);
      },
    ),
    { numRuns: COUNT, seed: SEED, endOnFailure: true },
  );
  console.log(
    `${COUNT} images, ${refused} refused, at most ${(most / 2 ** 20).toFixed(1)} MiB and ${slowest.toFixed(0)} ms each`,
  );
  expect(refused).toBeGreaterThan(COUNT / 10);
}, 3_000_000);
