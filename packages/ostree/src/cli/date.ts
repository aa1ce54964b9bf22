import { OstreeFailure } from "./failure.ts";

/** `2020-01-01 00:00:00 +0000`, in local time. */
export function formatDate(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return "(invalid timestamp)";
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}

const UNITS: { readonly [unit: string]: number } = {
  sec: 1,
  second: 1,
  min: 60,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  fortnight: 1_209_600,
};

/**
 * Seconds since 1970 of a date as GNU date takes it: `@SECONDS`, ISO dates and times with or without zone, RFC 2822, and
 * `N UNITS ago`, `now`, `today`, `yesterday`.
 */
export function parseDate(text: string, now: number = Date.now()): bigint {
  const trimmed = text.trim();
  if (/^@-?\d+$/.test(trimmed)) return BigInt(trimmed.slice(1));
  if (/^-?\d{1,3}$/.test(trimmed)) throw new OstreeFailure(`Could not parse '${text}'`);
  const relative = /^(?:(-?\d+)\s+)?(\w+?)s?(\s+ago)?$/i.exec(trimmed);
  if (trimmed === "now") return BigInt(Math.floor(now / 1000));
  if (trimmed === "yesterday") return BigInt(Math.floor(now / 1000) - 86_400);
  if (trimmed === "today") return BigInt(Math.floor(now / 1000));
  if (relative !== null) {
    const count = Number(relative[1] ?? 1);
    const unit = (relative[2] as string).toLowerCase();
    const back = relative[3] === undefined ? 1 : -1;
    const seconds = UNITS[unit];
    if (seconds !== undefined) return BigInt(Math.floor(now / 1000) + back * count * seconds);
    if (unit === "month" || unit === "year") {
      const date = new Date(now);
      if (unit === "month") date.setUTCMonth(date.getUTCMonth() + back * count);
      else date.setUTCFullYear(date.getUTCFullYear() + back * count);
      return BigInt(Math.floor(date.getTime() / 1000));
    }
  }
  const iso =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{1,2}:\d{2}(?::\d{2})?)(?:\.\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?$/i.exec(
      trimmed,
    );
  let value: number;
  if (iso === null) value = Date.parse(trimmed);
  else {
    const time = (iso[2] ?? "00:00").padStart(5, "0");
    const zone = iso[3] === undefined ? "" : /^[+-]/.test(iso[3]) ? iso[3].replace(/^(...):?/, "$1:") : "Z";
    value = Date.parse(`${iso[1]}T${time.length === 5 ? `${time}:00` : time}${zone}`);
  }
  if (Number.isNaN(value)) throw new OstreeFailure(`Could not parse '${text}'`);
  return BigInt(Math.floor(value / 1000));
}
