const UNITS = ["kB", "MB", "GB", "TB", "PB", "EB"];

/** A size as GLib prints it: powers of 1000, one decimal, a no-break space before the unit. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let value = bytes;
  let unit = -1;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(1)}\u00a0${UNITS[unit]}`;
}
