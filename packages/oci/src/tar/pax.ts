// Pax extended headers: records of `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record. Values are bytes and
// may have anything in them, newlines and `=` included. POSIX.1-2001, pax, "pax Extended Header".

import type { ByteString } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { latin1 } from "./latin1.ts";

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Records in their order; of two with the same key the last counts, but both are returned. */
export function parsePax(bytes: Uint8Array): [key: ByteString, value: ByteString][] {
  const records: [ByteString, ByteString][] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(SPACE, at);
    const digits = space < 0 ? "" : latin1(bytes, at, Math.min(space, at + 12));
    const length = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length < 5 || end > bytes.length || bytes[end - 1] !== NEWLINE)
      throw malformed(at, "a record has a wrong length");
    const equals = bytes.indexOf(EQUALS, space + 1);
    if (equals < 0 || equals >= end - 1) throw malformed(at, "a record has no value");
    const key = latin1(bytes, space + 1, equals);
    const value = latin1(bytes, equals + 1, end - 1);
    if (key === "" || key.includes("\0")) throw malformed(at, "a record has no key, or a NUL in it");
    if (NO_NUL.has(key) && value.includes("\0")) throw malformed(at, `the value of "${key}" has a NUL in it`);
    records.push([key, value]);
    at = end;
  }
  return records;
}

/** One record; its length counts its own digits. */
export function printPax(key: ByteString, value: ByteString): ByteString {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n` as ByteString;
}

/** Seconds with a fraction: nine digits count, and a minus goes with both parts, as Go reads it. */
export function parsePaxTime(text: ByteString): { sec: number; nsec: number } | undefined {
  const match = /^(-?)([0-9]+)(?:\.([0-9]*))?$/.exec(text);
  if (match === null) return undefined;
  const sec = Number(match[2]);
  const nsec = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (!Number.isSafeInteger(sec)) return undefined;
  if (match[1] === "") return { sec, nsec };
  // A time before 1970 is a whole second earlier, plus the rest.
  return nsec === 0 ? { sec: -sec || 0, nsec: 0 } : { sec: -sec - 1, nsec: 1_000_000_000 - nsec };
}

/** The inverse of {@link parsePaxTime}. */
export function printPaxTime({ sec, nsec }: { readonly sec: number; readonly nsec: number }): ByteString {
  if (nsec === 0) return String(sec) as ByteString;
  const negative = sec < 0;
  const whole = negative ? -sec - 1 : sec;
  const part = String(negative ? 1_000_000_000 - nsec : nsec)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${negative ? "-" : ""}${whole}.${part}` as ByteString;
}

/** A decimal number without a sign, or `undefined`. */
export function parsePaxNumber(text: ByteString): number | undefined {
  if (!/^-?[0-9]+$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

const NO_NUL = new Set(["path", "linkpath", "uname", "gname"]);

function malformed(at: number, problem: string): Error {
  return ociErrors.error("tar-extended-invalid", `pax header at ${at}: ${problem}`, {
    context: { offset: at },
  });
}
