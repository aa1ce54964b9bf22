import { concatBytes } from "@bootc-store/core";

/** The first bytes, and everything, those included. */
export async function peekBytes(
  chunks: AsyncGenerator<Uint8Array>,
  size: number,
): Promise<{ readonly head: Uint8Array; readonly all: AsyncGenerator<Uint8Array> }> {
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < size) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    length += value.length;
    first.push(length < size ? new Uint8Array(value) : value);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  }
  return { head: concatBytes(first.map((chunk) => chunk.subarray(0, size))).subarray(0, size), all: all() };
}
