// Names on Linux are bytes, not text. A byte string holds one byte per character (latin1), so it is
// lossless, can be a map key, and compares in byte order, which is the order that EROFS, ostree and
// composefs sort by. JavaScript's own order over decoded text is a different one.

declare const byteStringBrand: unique symbol;

/** Bytes as a string of code units 0 to 255, one a byte. Make one with {@link byteString} or {@link utf8}. */
export type ByteString = string & { readonly [byteStringBrand]: true };

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Above this many bytes a single `String.fromCharCode(...)` call would risk the engine's argument limit. */
const APPLY_LIMIT = 8192;

/** The byte string that holds exactly these bytes. */
export function byteString(bytes: Uint8Array): ByteString {
  if (bytes.length <= APPLY_LIMIT) return fromCharCodes(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += APPLY_LIMIT) {
    text += fromCharCodes(bytes.subarray(at, at + APPLY_LIMIT));
  }
  return text as ByteString;
}

/** Three times as fast as spreading, which goes through the iterator of the array. */
function fromCharCodes(bytes: Uint8Array): ByteString {
  // oxlint-disable-next-line prefer-spread
  return String.fromCharCode.apply(null, bytes as unknown as number[]) as ByteString;
}

/** The byte string of a text's UTF-8 encoding. */
export function utf8(text: string): ByteString {
  return isAscii(text) ? (text as ByteString) : byteString(encoder.encode(text));
}

/** The bytes that a byte string holds. */
export function bytesOf(value: ByteString): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(value.length);
  for (let at = 0; at < value.length; at++) bytes[at] = value.charCodeAt(at);
  return bytes;
}

/** True if every code unit is a byte; text with other characters must go through {@link utf8}. */
export function isByteString(text: string): text is ByteString {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false;
  return true;
}

/** The text that a byte string encodes as UTF-8, or `undefined` if its bytes are not UTF-8. */
export function textOf(value: ByteString): string | undefined {
  if (isAscii(value)) return value;
  try {
    return strictDecoder.decode(bytesOf(value));
  } catch {
    return undefined;
  }
}

/** Byte order: negative, zero or positive, as `memcmp` followed by length. */
export function compareByteStrings(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The only way to show a name: as text where the bytes are UTF-8, other bytes and control characters
 * as `\xNN`, so that a name can neither break a line nor drive a terminal.
 */
export function displayName(value: ByteString): string {
  const text = textOf(value);
  if (text !== undefined) return printable(text);
  let shown = "";
  for (let at = 0; at < value.length; at++) {
    const byte = value.charCodeAt(at);
    shown += byte >= 0x20 && byte < 0x7f ? value[at] : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return shown;
}

/** Text with its control, bidirectional and line-separating characters written as escapes. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

// oxlint-disable-next-line no-control-regex -- finding them is the point
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
