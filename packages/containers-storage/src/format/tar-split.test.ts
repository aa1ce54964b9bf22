import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parseTarSplit, parseTarSplitLine, printTarSplit, type TarSplitRecord } from "./tar-split.ts";

/** By lines and by JSON, whatever form a line has. */
function readByLines(lines: readonly string[]): TarSplitRecord[] | string {
  try {
    return lines.map((line, position) => parseTarSplitLine(line, position));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function readAtOnce(lines: readonly string[], cut: number): Promise<TarSplitRecord[] | string> {
  const bytes = Buffer.from(`${lines.join("\n")}\n`);
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut);
  };
  try {
    return await Array.fromAsync(parseTarSplit(chunks()));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const plain = (records: TarSplitRecord[] | string): unknown =>
  typeof records === "string"
    ? records
    : records.map((each) =>
        each.type === "segment" ? { ...each, bytes: Buffer.from(each.bytes).toString("hex") } : each,
      );

describe("a stream of records", () => {
  const written = fc
    .uint8Array({ maxLength: 700 })
    .map((bytes) => (position: number) => printTarSplit({ type: "segment", bytes }, position).trimEnd());
  const odd = fc
    .constantFrom<(p: number) => string>(
      (p: number) => `{"type":2,"payload":"","position":${p}}`,
      (p: number) => `{"type":2,"payload":"aGk=","position":${p + 1}}`,
      (p: number) => `{"type":2,"payload":"aGk","position":${p}}`,
      (p: number) => `{"type":2,"payload":"aG=k","position":${p}}`,
      (p: number) => `{"type":2,"payload":"a_-k","position":${p}}`,
      (p: number) => `{"type":2,"payload":"aG k","position":${p}}`,
      (p: number) => `{"type":2,"payload":"aG\\u006bk","position":${p}}`,
      (p: number) => `{"type":2,"payload":"aGk=","position":${p},"more":1}`,
      () => `{"type":2,"payload":"aGk="}`,
      (p: number) => `{"type":2,"payload":"aGk=","position":${p}`,
      () => `{"type":2,"payload":"aGk=`,
      () => `{"type":2,"payload":"`,
      (p: number) => `{ "type": 2, "payload": "aGk=", "position": ${p} }`,
      (p: number) => `{"type":1,"name":"x","size":2,"payload":"AAAAAAAAAAA=","position":${p}}`,
    )
    .map((make) => (position: number) => make(position));

  test("says the same as its lines one by one, whatever their form and wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 4, arbitrary: written }, odd), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 900 }),
        async (makers, cut) => {
          const lines = makers.map((make, position) => make(position));
          expect(plain(await readAtOnce(lines, cut))).toEqual(plain(readByLines(lines)));
        },
      ),
      { numRuns: 400 },
    );
  });
});
