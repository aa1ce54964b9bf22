const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2})$/;

/**
 * A time as bootc prints it: UTC, and of its fraction as many digits as are needed of 3, 6 or 9. `undefined` for what is no time.
 */
export function utcTimestamp(text: string): string | undefined {
  const found = RFC3339.exec(text.trim());
  if (found === null) return undefined;
  const [, date = "", time = "", fraction = "", zone = ""] = found;
  const at = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  if (Number.isNaN(at)) return undefined;
  const digits = fraction.replace(/0+$/, "");
  const padded = digits === "" ? "" : `.${digits.padEnd(Math.ceil(digits.length / 3) * 3, "0")}`;
  return `${new Date(at).toISOString().slice(0, 19)}${padded}Z`;
}

/** For people, without the fraction. */
export function shortTimestamp(timestamp: string): string {
  return timestamp.replace(/\.\d+Z$/, "Z");
}
