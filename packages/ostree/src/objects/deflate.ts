import { createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync } from "node:zlib";
import type { File } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { isCompressible } from "./compressible.ts";

// Archives hold raw deflate, without the wrapper of zlib or gzip.

const CHUNK = 1 << 17;
/** More room for what one block of codes covers: faster by a tenth, and the thread needs some 100 KB more. */
const MEM_LEVEL = 9;
/** What is at most this large on both sides is inflated at once, which costs no stream. */
const IN_MEMORY = 1 << 22;

export function deflateBytes(data: Uint8Array, level: number): Buffer {
  const pays = isCompressible(data.length, (offset, length) => data.subarray(offset, offset + length));
  // In one piece where that can be, of a size that small contents do not make large.
  return deflateRawSync(data, {
    level: pays ? level : 0,
    memLevel: MEM_LEVEL,
    chunkSize: Math.max(256, Math.min(data.length, CHUNK)),
  });
}

/** Compresses `size` bytes of a file to the end of another one; `onData` sees them as they are read. */
export async function deflateFile(
  source: File,
  size: number,
  to: File,
  level: number,
  onData: (data: Uint8Array) => void,
): Promise<void> {
  const pays = isCompressible(size, (offset, length) => {
    const data = Buffer.allocUnsafe(length);
    return data.subarray(0, source.readFull(data, offset));
  });
  const deflate = createDeflateRaw({ level: pays ? level : 0, memLevel: MEM_LEVEL, chunkSize: CHUNK });
  const output = (async () => {
    for await (const piece of deflate) to.write(piece as Buffer);
  })();
  const input = (async () => {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, size));
    for (let at = 0; at < size;) {
      const count = source.readFull(buffer.subarray(0, Math.min(buffer.length, size - at)), at);
      if (count === 0) break;
      const data = buffer.subarray(0, count);
      onData(data);
      at += count;
      // The buffer is used again as soon as this one has been compressed.
      await new Promise<void>((resolve, reject) => {
        deflate.write(data, (error) => (error ? reject(error) : resolve()));
      });
    }
    deflate.end();
  })();
  try {
    await Promise.all([input, output]);
  } finally {
    deflate.destroy();
  }
}

/**
 * The bytes of an archived content. Throws `ostree/object-invalid` where the compressed bytes are damaged or hold
 * another number of bytes than `size`.
 */
export async function* inflateFile(
  source: File,
  offset: number,
  size: number,
  format: string,
): AsyncGenerator<Uint8Array> {
  const storedSize = source.stat().size - offset;
  if (storedSize <= IN_MEMORY && size <= IN_MEMORY) {
    yield inflateWhole(source, offset, storedSize, size, format);
    return;
  }
  const inflate = createInflateRaw({ chunkSize: CHUNK });
  let consumed = offset;
  const input = (async () => {
    for (;;) {
      const buffer = Buffer.allocUnsafeSlow(CHUNK);
      const count = source.readFull(buffer, consumed);
      if (count === 0 || inflate.destroyed) break;
      consumed += count;
      if (!inflate.write(buffer.subarray(0, count))) {
        await new Promise<void>((resolve) => {
          const go = (): void => {
            inflate.off("drain", go).off("close", go);
            resolve();
          };
          inflate.on("drain", go).on("close", go);
        });
      }
    }
    inflate.end();
  })();
  input.catch((error: unknown) => inflate.destroy(error as Error));
  let total = 0;
  try {
    for await (const piece of inflate) {
      total += (piece as Buffer).length;
      if (total > size) throw invalid(format, `it holds more than the ${size} bytes that its header says`);
      yield piece as Buffer;
    }
  } catch (error) {
    if (
      (error as { code?: string }).code?.startsWith("Z_") === true ||
      (error as Error).message === "unexpected end of file"
    ) {
      throw invalid(format, `damaged compressed data: ${(error as Error).message}`);
    }
    throw error;
  } finally {
    inflate.destroy();
  }
  if (total !== size) throw invalid(format, `it holds ${total} bytes, and its header says ${size}`);
  const left = source.stat().size - offset - inflate.bytesWritten;
  if (left > 0) throw invalid(format, `${left} bytes follow the compressed data`);
}

function inflateWhole(
  source: File,
  offset: number,
  storedSize: number,
  size: number,
  format: string,
): Buffer {
  const compressed = Buffer.allocUnsafeSlow(storedSize);
  source.readFull(compressed, offset);
  let found: { buffer: Buffer; engine: { bytesWritten: number } };
  try {
    // One byte more than there may be, so that too many can be told from damage.
    found = inflateRawSync(compressed, { maxOutputLength: size + 1, info: true }) as unknown as typeof found;
  } catch (error) {
    throw invalid(format, `damaged compressed data: ${(error as Error).message}`);
  }
  const { buffer, engine } = found;
  if (buffer.length !== size)
    throw invalid(format, `it holds ${buffer.length} bytes, and its header says ${size}`);
  const left = storedSize - engine.bytesWritten;
  if (left > 0) throw invalid(format, `${left} bytes follow the compressed data`);
  return buffer;
}

function invalid(format: string, problem: string): Error {
  return ostreeErrors.error("object-invalid", `${format}: ${problem}`, { context: { format } });
}
