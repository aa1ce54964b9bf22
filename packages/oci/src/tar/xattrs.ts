// Extended attributes of a tar's entry. GNU tar, star, Go and libarchive write `SCHILY.xattr.NAME` with the
// value as it is; libarchive writes `LIBARCHIVE.xattr.NAME` with name percent-encoded and value in base64 as well.

import type { ByteString } from "@bootc-store/core";

import { latin1 } from "./latin1.ts";

const SCHILY = "SCHILY.xattr.";
const LIBARCHIVE = "LIBARCHIVE.xattr.";

const NONE: ReadonlyMap<ByteString, ByteString> = new Map();

/** The attributes of a set of pax records; SCHILY's count where both are there. */
export function xattrsOf(pax: ReadonlyMap<ByteString, ByteString>): ReadonlyMap<ByteString, ByteString> {
  if (pax.size === 0) return NONE;
  let xattrs: Map<ByteString, ByteString> | undefined;
  for (const [key, value] of pax) {
    if (!key.startsWith(SCHILY) || key.length === SCHILY.length) continue;
    xattrs ??= new Map();
    xattrs.set(key.slice(SCHILY.length) as ByteString, value);
  }
  for (const [key, value] of pax) {
    if (!key.startsWith(LIBARCHIVE)) continue;
    const name = unpercent(key.slice(LIBARCHIVE.length));
    const bytes = unbase64(value);
    if (name === "" || bytes === undefined || xattrs?.has(name) === true) continue;
    // libarchive percent-encodes the name in the SCHILY key too; it is the same attribute.
    if (xattrs?.has(key.slice(LIBARCHIVE.length) as ByteString) === true) continue;
    xattrs ??= new Map();
    xattrs.set(name, bytes);
  }
  return xattrs ?? NONE;
}

function unpercent(text: string): ByteString {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  ) as ByteString;
}

function unbase64(text: ByteString): ByteString | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return latin1(Buffer.from(text, "base64"));
}
