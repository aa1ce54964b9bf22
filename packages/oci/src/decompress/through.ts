// An async iterable through one of zlib's streams. The stream works on a thread of its own while we look at what
// it made before.

import type { Transform } from "node:stream";
import { setImmediate } from "node:timers/promises";

/**
 * What comes out of a stream into which the chunks go. An error of the chunks is thrown as it is.
 * @param dropped size of the stream's buffers, if each chunk is the caller's only until it asks for the next: a buffer
 *   that has been read to its end is then given back at once. Left to the collector, dozens of them wait for it, and it
 *   goes through the whole heap for their sake.
 */
export async function* through(
  chunks: AsyncIterable<Uint8Array>,
  engine: Transform,
  dropped?: number,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const pumped = pump(chunks, engine, stop.signal);
  try {
    for await (const each of engine) {
      const chunk = each as Uint8Array<ArrayBuffer>;
      yield chunk;
      const { buffer } = chunk;
      // zlib fills a buffer to its end in one or several chunks, and takes another one then.
      if (buffer.byteLength === dropped && chunk.byteOffset + chunk.length === dropped) detach(buffer);
      // Chunks that wait would be taken one after the other before the event loop turns, and the stream's thread be told only
      // then to go on.
      if (engine.readableLength > 0) await setImmediate();
    }
  } finally {
    stop.abort();
    engine.destroy();
    // The chunks' own error has come out of the engine; here only their end is waited for.
    await pumped;
  }
}

async function pump(
  chunks: AsyncIterable<Uint8Array>,
  engine: Transform,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (signal.aborted || engine.destroyed) return;
      // Until it has been taken whole: whoever gave the chunk may write over it then.
      await taken(engine, chunk, signal);
    }
    if (!engine.destroyed) engine.end();
  } catch (error) {
    engine.destroy(error as Error);
  }
}

/** Until the stream is done with a chunk, or is at its end however that came. */
async function taken(engine: Transform, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      engine.off("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    engine.on("close", done);
    signal.addEventListener("abort", done);
    // An error comes out of the stream as well, where it is thrown.
    engine.write(chunk, done);
    if (engine.destroyed || signal.aborted) done();
  });
}

/** Gives a buffer's memory back; whoever still looks at it finds it empty. */
function detach(buffer: ArrayBuffer): void {
  // ES2024, which the library of types that this is built with does not have.
  (buffer as ArrayBuffer & { transfer(size: number): ArrayBuffer }).transfer(0);
}
