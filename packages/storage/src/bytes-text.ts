const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes for a person: 999 B, 1.0 kB, 28.5 MB. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}
