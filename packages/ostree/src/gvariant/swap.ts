// ostree stores some numbers big endian inside of variants whose other numbers are little endian.

/** The number whose four bytes are those of `value` in the other order. */
export function swap32(value: number): number {
  return (
    (((value & 0xff) << 24) |
      ((value & 0xff00) << 8) |
      ((value >>> 8) & 0xff00) |
      ((value >>> 24) & 0xff)) >>>
    0
  );
}

/** The number whose eight bytes are those of `value` in the other order. */
export function swap64(value: bigint): bigint {
  const low = swap32(Number(value & 0xffff_ffffn));
  const high = swap32(Number((value >> 32n) & 0xffff_ffffn));
  return (BigInt(low) << 32n) | BigInt(high);
}
