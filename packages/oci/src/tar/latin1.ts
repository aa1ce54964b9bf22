import type { ByteString } from "@bootc-store/core";

/** `byteString` of `core`, by what Node has for it: faster, and without a copy in pieces. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    "latin1",
    start,
    end,
  ) as ByteString;
}
