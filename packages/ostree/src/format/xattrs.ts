import { type ByteString, byteString, bytesOf, displayName } from "@bootc-store/core";
import { Xattrs } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";

/** `a(ayay)`: names with a NUL byte at their end, values, in byte order of the names. */
export type XattrList = readonly (readonly [name: Uint8Array, value: Uint8Array])[];

export function xattrList(xattrs: Xattrs): XattrList {
  if (xattrs.size === 0) return [];
  return Array.from(xattrs, ([name, value]) => [bytesOf(`${name}\0` as ByteString), bytesOf(value)]);
}

/**
 * Throws `ostree/object-invalid` for names that are empty, twice there, or without their NUL. Those of a directory must be
 * sorted; in the header of a file ostree leaves a label where it came, and only the checksum is that of a sorted list.
 */
export function xattrsOf(list: XattrList, format: string, order: "sorted" | "any" = "any"): Xattrs {
  if (list.length === 0) return Xattrs.empty;
  let previous: ByteString | undefined;
  const seen = new Set<ByteString>();
  const pairs = list.map(([nameBytes, value], index): [ByteString, ByteString] => {
    const nul = nameBytes.indexOf(0);
    if (nul < 1 || nul !== nameBytes.length - 1) {
      throw invalid(format, `Invalid xattr name (empty or missing NUL) index=${index}`);
    }
    const name = byteString(nameBytes.subarray(0, nul));
    if (seen.has(name)) throw invalid(format, `Duplicate xattr name, index=${index}`);
    if (order === "sorted" && previous !== undefined && previous > name) {
      throw invalid(
        format,
        `Incorrectly sorted xattr name (prev=${displayName(previous)}, cur=${displayName(name)}), index=${index}`,
      );
    }
    previous = name;
    seen.add(name);
    return [name, byteString(value)];
  });
  return Xattrs.from(pairs);
}

function invalid(format: string, problem: string): Error {
  return ostreeErrors.error("object-invalid", `${format}: ${problem}`, { context: { format } });
}
