// gzip: any number of members back to back, their output laid end to end. Zeros after the last one are padding,
// anything else is an error.

import { createGunzip, type ZlibOptions } from "node:zlib";

import { ociErrors } from "../errors.ts";
import { through } from "./through.ts";

/** Bytes of output made at once; small ones cost more in turns than in memory saved. */
export const OUTPUT_CHUNK = 256 << 10;
/** Output that is made while nobody asks for it yet, since to look at a piece takes now more, now less time than to make it. */
const OUTPUT_AHEAD = 8 * OUTPUT_CHUNK;

/**
 * The output of a gzip stream. Throws `oci/compressed-invalid`, `oci/compressed-truncated`.
 * @param reuse whether each chunk is the caller's only until it asks for the next
 */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>, reuse = false): AsyncGenerator<Uint8Array> {
  const engine = createGunzip({
    chunkSize: OUTPUT_CHUNK,
    readableHighWaterMark: OUTPUT_AHEAD,
  } as ZlibOptions);
  try {
    yield* through(chunks, engine, reuse ? OUTPUT_CHUNK : undefined);
  } catch (error) {
    throw zlibError(error, "gzip");
  }
}

/** An error of zlib as ours; any other as it is. */
export function zlibError(error: unknown, what: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "Z_BUF_ERROR") {
    return ociErrors.error("compressed-truncated", `the ${what} data ends too early`, { cause: error });
  }
  if (/^(?:Z_|ZSTD_|ERR_STREAM_PUSH_AFTER_EOF$|ERR_BUFFER_TOO_LARGE$)/.test(code)) {
    return ociErrors.error("compressed-invalid", `the ${what} data is damaged`, { cause: error });
  }
  return error;
}
