import { throwIfAborted } from "@bootc-store/core";
import type { File } from "@bootc-store/linux";

import { ociErrors } from "../errors.ts";

const CHUNK = 256 << 10;

/** How long reading goes on before the event loop has a turn. */
const TURN_MS = 20;

/**
 * The bytes of a file from `start`, all of it or `size` of them. Throws `oci/content-size` where it has fewer.
 * @param reuse whether each chunk may be written over when the next one is asked for: half of what collecting the
 *   garbage of a large layer costs is for the buffers it was read into.
 */
export async function* fileChunks(
  file: File,
  start = 0,
  size = Number.MAX_SAFE_INTEGER,
  reuse = false,
): AsyncGenerator<Uint8Array> {
  const shared = reuse ? Buffer.allocUnsafeSlow(Math.min(CHUNK, size)) : undefined;
  let turn = performance.now();
  for (let at = start, left = size; left > 0;) {
    const wanted = Math.min(CHUNK, left);
    const buffer = shared?.subarray(0, wanted) ?? Buffer.allocUnsafeSlow(wanted);
    const count = file.readFull(buffer, at);
    if (count > 0) yield count === buffer.length ? buffer : buffer.subarray(0, count);
    at += count;
    left -= count;
    if (count < buffer.length) {
      if (size === Number.MAX_SAFE_INTEGER) return;
      throw ociErrors.error("content-size", `${file.label}: ${left} bytes are missing at its end`);
    }
    if (performance.now() - turn > TURN_MS) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      turn = performance.now();
    }
  }
}

/** The chunks until the signal fires; then `core/cancelled`. */
export async function* abortable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  for await (const chunk of chunks) {
    yield chunk;
    throwIfAborted(signal);
  }
}

export async function* chunkOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
