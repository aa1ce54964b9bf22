const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Most names and keys are short and ASCII, which is faster to take byte by byte. */
const SHORT = 64;

/** The text of bytes that are UTF-8 without NUL; `undefined` for others. */
export function textAt(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start <= SHORT) {
    let text = "";
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === 0) return undefined;
      if (byte > 0x7f) break;
      text += String.fromCharCode(byte);
    }
    if (at === end) return text;
  }
  const nul = bytes.indexOf(0, start);
  if (nul >= 0 && nul < end) return undefined;
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** UTF-8 of a text; `undefined` if it has a NUL or half of a surrogate pair. */
export function bytesOfText(text: string): Uint8Array | undefined {
  if (text.includes("\0") || !isWellFormed(text)) return undefined;
  return encoder.encode(text);
}

function isWellFormed(text: string): boolean {
  // oxlint-disable-next-line no-misleading-character-class -- lone surrogates are what it looks for
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}
