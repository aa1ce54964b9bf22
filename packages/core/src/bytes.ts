import { coreErrors } from "./errors.ts";

/** The codes of both digits of each byte. */
const DIGITS = new Uint8Array(512);
for (let at = 0; at < DIGITS.length; at++) {
  DIGITS[at] = "0123456789abcdef".charCodeAt(at % 2 === 0 ? at >> 5 : (at >> 1) & 15);
}
/** Bytes at a time: one call for any digest, and no more arguments than an engine bears. */
const HEX_PIECE = 64;
const room = new Uint8Array(2 * HEX_PIECE);

/** Lower-case hexadecimal, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += HEX_PIECE) {
    const size = Math.min(HEX_PIECE, bytes.length - start);
    for (let at = 0; at < size; at++) {
      const byte = bytes[start + at] ?? 0;
      room[2 * at] = DIGITS[2 * byte] ?? 0;
      room[2 * at + 1] = DIGITS[2 * byte + 1] ?? 0;
    }
    const digits = size === HEX_PIECE ? room : room.subarray(0, 2 * size);
    // One flat string. Put together digit by digit it would be a tree of strings, many times as large.
    // oxlint-disable-next-line prefer-spread
    text += String.fromCharCode.apply(null, digits as unknown as number[]);
  }
  return text;
}

/** What a digit stands for, by its code; 16 for all that are none. */
const VALUES = new Uint8Array(128).fill(16);
for (let value = 0; value < 16; value++) {
  VALUES[value.toString(16).charCodeAt(0)] = value;
  VALUES[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Bytes from hexadecimal of either case. Throws `core/not-hex`. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length >> 1);
  let wrong = text.length % 2;
  for (let at = 0; at < bytes.length; at++) {
    const high = VALUES[text.charCodeAt(2 * at)] ?? 16;
    const low = VALUES[text.charCodeAt(2 * at + 1)] ?? 16;
    wrong |= (high | low) & 16;
    bytes[at] = (high << 4) | low;
  }
  if (wrong !== 0) throw coreErrors.error("not-hex", `not hexadecimal: "${text.slice(0, 80)}"`);
  return bytes;
}

/** Whether two runs of bytes are the same; time depends on content, so not for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Byte order: negative, zero or positive, as `memcmp` followed by length. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** One run of bytes made of several. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
