import { describe, expect, test } from "vitest";

import { segmentBytes, type TarSegment } from "../index.ts";

describe("segments", () => {
  test("laid end to end they are the tar", async () => {
    async function* segments(): AsyncGenerator<TarSegment> {
      yield { kind: "inline", bytes: new Uint8Array([1, 2]) };
      yield {
        kind: "content",
        content: {
          size: 3,
          async *read() {
            yield new Uint8Array([3]);
            yield new Uint8Array([4, 5]);
          },
        },
      };
      yield { kind: "inline", bytes: new Uint8Array([6]) };
    }
    const bytes: number[] = [];
    for await (const chunk of segmentBytes(segments())) bytes.push(...chunk);
    expect(bytes).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
