import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { toHex, utf8 } from "@bootc-store/core";
import { computeVerity, Dir } from "@bootc-store/linux";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { readPieces, readSplitstream } from "./reader.ts";
import { SplitstreamWriter } from "./writer.ts";

async function withFile<T>(
  bytes: Uint8Array,
  work: (file: ReturnType<Dir["openFile"]>) => Promise<T>,
): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), "bootc-store-splitstream-"));
  try {
    writeFileSync(join(path, "s"), bytes);
    using dir = Dir.openHost(utf8(path));
    using file = dir.openFile(utf8("s"));
    return await work(file);
  } finally {
    rmSync(path, { recursive: true });
  }
}

const id = fc.uint8Array({ minLength: 64, maxLength: 64 }).map(toHex);
const piece = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => ({ bytes })),
  fc.record({ object: id, size: fc.nat(2 ** 40) }),
);

describe("splitstreams", () => {
  test("the one that bootc's own test makes has bootc's own id", async () => {
    const writer = new SplitstreamWriter("sha512", "\0\0\0\0\0\0\0\0" as "ocilayer");
    writer.inline(Buffer.from("some test data"));
    expect(toHex(computeVerity(await writer.finish(), { algorithm: "sha512" }))).toBe(
      "84245c6936db9939dda9c1fbeafdcbd2b49f7605354c88d4f016c4d941551f45bad0fbcdbee12ba8adfe4fb63541de57ac02729edbacdb556325e342b89d340d",
    );
  });

  test("are read as they were written", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 30 }),
        fc.dictionary(fc.stringMatching(/^[a-z:.]{1,20}$/), id, { maxKeys: 5 }),
        async (pieces, names) => {
          const writer = new SplitstreamWriter("sha512", "ocilayer");
          for (const each of pieces) {
            if ("bytes" in each) writer.inline(each.bytes);
            else await writer.external(each.object, each.size);
          }
          for (const [name, target] of Object.entries(names)) writer.reference(name, target);
          const bytes = await writer.finish();
          await withFile(bytes, async (file) => {
            const stream = await readSplitstream(file);
            expect(stream.contentType).toBe("ocilayer");
            expect(Object.fromEntries(stream.references)).toEqual({ ...names });
            const found: string[] = [];
            for await (const each of readPieces(file, stream)) {
              const text = each.kind === "inline" ? toHex(each.bytes) : `<${each.object}>`;
              found.push(text);
            }
            expect(found.join("")).toBe(
              pieces.map((each) => ("bytes" in each ? toHex(each.bytes) : `<${each.object}>`)).join(""),
            );
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test("any bytes are refused with a code, and nothing is read past the end", async () => {
    const writer = new SplitstreamWriter("sha256", "ocimanif");
    writer.inline(Buffer.from("inline"));
    await writer.external("ab".repeat(32), 100);
    writer.reference("x", "cd".repeat(32));
    const whole = await writer.finish();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(whole.length),
        async (edits, cut) => {
          const damaged = Buffer.from(cut % 4 === 0 ? whole.subarray(0, cut) : whole);
          for (const [at, value] of edits) if (at < damaged.length) damaged[at] = value;
          await withFile(damaged, async (file) => {
            try {
              const stream = await readSplitstream(file);
              for await (const each of readPieces(file, stream)) void each;
            } catch (error) {
              expect((error as { code: string }).code).toMatch(
                /^composefs\/(stream-invalid|limit-exceeded)$/,
              );
            }
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});
