// Numbers of a tar header: octal text padded with blanks or NULs on either side, or base-256 (two's
// complement, big-endian) where the first bit is set. Octal fields that are empty are zero.

/** A safe integer, or `undefined` if the field is no number or its number is too large to hold. */
export function parseNumber(field: Uint8Array): number | undefined {
  return ((field[0] ?? 0) & 0x80) === 0 ? parseOctal(field) : parseBase256(field);
}

export function parseOctal(field: Uint8Array): number | undefined {
  let at = 0;
  let end = field.length;
  while (at < end && isPadding(field[at])) at++;
  // The number ends at a NUL; what follows it does not count.
  const nul = field.indexOf(0, at);
  if (nul >= 0) end = nul;
  while (end > at && isPadding(field[end - 1])) end--;
  let value = 0;
  for (; at < end; at++) {
    const digit = (field[at] as number) - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

function parseBase256(field: Uint8Array): number | undefined {
  const negative = ((field[0] as number) & 0x40) !== 0;
  // The marker bit is not part of the number: of the first byte six bits count, and the sign.
  let value = negative ? BigInt((field[0] as number) | 0x80) - 256n : BigInt((field[0] as number) & 0x3f);
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : undefined;
}

function isPadding(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}
