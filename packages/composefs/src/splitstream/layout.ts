// A splitstream: a byte stream cut into inline runs, which are stored compressed, and external pieces, which are objects.
//
//   header 112 | references to streams | references to objects | names (zstd) | stream (zstd)
//
// References are raw digests. Ranges are absolute, their ends exclusive. Names are `INDEX:NAME\0` in byte order. The
// stream is repeated 64-bit numbers: -n, and n literal bytes follow; n >= 0, the n-th reference to an object.
// composefs-rs, crates/composefs/src/splitstream_format.rs.

import { any, bytesField, equals, field, struct, u16le, u64le, u8 } from "@bootc-store/core/codec";

export const MAGIC = "SplitStream";

export const HEADER_SIZE = 112;

/** Blocks of 4096 bytes, as a power of two. */
export const LG_BLOCK_SIZE = 12;

const range = <const N extends string>(name: N, offset: number) =>
  [
    field(`${name}Start` as const, offset, u64le, any, "first byte"),
    field(`${name}End` as const, offset + 8, u64le, any, "byte after the last"),
  ] as const;

export const header = struct("splitstream header", HEADER_SIZE, [
  field("magic", 0, bytesField(11), any, "SplitStream, without a NUL"),
  field("version", 11, u8, equals(0), "0"),
  field("flags", 12, u16le, any, "0; not looked at"),
  field("algorithm", 14, u8, any, "1: SHA-256, 2: SHA-512"),
  field("lgBlockSize", 15, u8, equals(LG_BLOCK_SIZE), "12"),
  field("infoStart", 16, u64le, any, "where this table begins: 32"),
  field("infoEnd", 24, u64le, any, "and ends: 112"),
  ...range("streamRefs", 32),
  ...range("objectRefs", 48),
  ...range("stream", 64),
  ...range("namedRefs", 80),
  field("contentType", 96, bytesField(8), any, "eight bytes that say what the stream is"),
  field("streamSize", 104, u64le, any, "bytes of the reassembled stream"),
]);

/** The header of bootc up to 1.15: the same fields in another order at the beginning. It is read and never written. */
export const oldHeader = struct("old splitstream header", HEADER_SIZE, [
  field("infoStart", 0, u64le, any, "where the table of ranges begins: 32"),
  field("infoEnd", 8, u64le, any, "and ends: 112"),
  field("flags", 16, u16le, any, "0; not looked at"),
  field("magic", 18, bytesField(11), any, "SplitStream, without a NUL"),
  field("version", 29, u8, equals(0), "0"),
  field("algorithm", 30, u8, any, "1: SHA-256, 2: SHA-512"),
  field("lgBlockSize", 31, u8, equals(LG_BLOCK_SIZE), "12"),
  ...range("streamRefs", 32),
  ...range("objectRefs", 48),
  ...range("stream", 64),
  ...range("namedRefs", 80),
  field("contentType", 96, bytesField(8), any, "eight bytes that say what the stream is"),
  field("streamSize", 104, u64le, any, "bytes of the reassembled stream"),
]);

/** What a stream is, as the eight bytes in its header. */
export const CONTENT_TYPES = {
  layer: "ocilayer",
  config: "ociconfg",
  manifest: "ocimanif",
  blob: "oci_blob",
} as const;

export type ContentType = (typeof CONTENT_TYPES)[keyof typeof CONTENT_TYPES];
