// The tar in a blob, whatever it is compressed with. What a blob is, its first bytes tell; the media type is believed
// only as far as its digest is, as containers/image does it.

import { ociErrors } from "../errors.ts";
import { peekBytes } from "../peek.ts";
import type { Compression } from "../image/media-types.ts";
import { gunzip } from "./gzip.ts";
import { type DecompressLimits, DecompressMeter } from "./limits.ts";
import { unzstd, type ZstdOptions } from "./zstd.ts";

export interface DecompressOptions extends ZstdOptions {
  readonly limits?: Partial<DecompressLimits>;
  /** What the data is compressed with; told from its first bytes unless given. */
  readonly compression?: Compression;
  /** Each chunk is the caller's only until it asks for the next. */
  readonly reuse?: boolean;
}

/** Bytes that tell what a blob is compressed with. */
const SNIFF = 6;

/** What the data that begins so is compressed with. Throws `oci/compression-unsupported` for bzip2 and xz. */
export function sniffCompression(head: Uint8Array): Compression {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, at) => head[at] === byte);
  if (starts(0x1f, 0x8b, 0x08)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18)
    return "zstd";
  const other = starts(0x42, 0x5a, 0x68)
    ? "bzip2"
    : starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)
      ? "xz"
      : undefined;
  if (other === undefined) return "none";
  throw ociErrors.error("compression-unsupported", `the data is compressed with ${other}`);
}

/**
 * The decompressed bytes of a stream. Each chunk has been taken whole when the next one is asked for. Throws `oci/compressed-invalid`, `oci/compressed-truncated`,
 * `oci/decompressed-too-large`, `oci/zstd-window`, `oci/compression-unsupported`.
 */
export async function* decompress(
  chunks: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array> {
  const meter = new DecompressMeter(options.limits);
  const { head, all } = await peekBytes(meter.count(chunks), SNIFF);
  let compression: Compression;
  try {
    compression = options.compression ?? sniffCompression(head);
  } catch (error) {
    await all.return?.(undefined);
    throw error;
  }
  if (compression === "none") {
    yield* all;
    return;
  }
  const output = compression === "gzip" ? gunzip(all, options.reuse) : unzstd(all, options);
  for await (const chunk of output) {
    meter.add(chunk.length);
    yield chunk;
  }
}
