import { toHex } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { OBJECT_TYPES, type ObjectType } from "../format/object-type.ts";

/** An entry of `ostree.sizes`: how large an object is in an archive, and unpacked. Bytes. */
export interface ObjectSize {
  readonly checksum: Checksum;
  readonly type: ObjectType;
  readonly archived: number;
  readonly unpacked: number;
}

const BY_NUMBER = new Map(
  Object.entries(OBJECT_TYPES).map(([type, number]) => [number as number, type as ObjectType]),
);

/** Throws `ostree/object-invalid`. Entries of old writers do not say their type and are files. */
export function readSizes(list: readonly Uint8Array[]): ObjectSize[] {
  return list.map((entry) => {
    const cursor = { at: 32 };
    if (entry.length < 34) throw invalid("an entry that is too short");
    const archived = varint(entry, cursor);
    const unpacked = varint(entry, cursor);
    const type = cursor.at < entry.length ? BY_NUMBER.get(entry[cursor.at++] as number) : "file";
    if (type === undefined || cursor.at !== entry.length)
      throw invalid("an entry of an unknown type, or too long");
    return { checksum: toHex(entry.subarray(0, 32)), type, archived, unpacked };
  });
}

export function writeSizes(sizes: readonly ObjectSize[]): Uint8Array[] {
  return [...sizes]
    .sort((a, b) => (a.checksum < b.checksum ? -1 : 1))
    .map(({ checksum, type, archived, unpacked }) =>
      Uint8Array.from([
        ...Buffer.from(checksum, "hex"),
        ...leb(archived),
        ...leb(unpacked),
        OBJECT_TYPES[type],
      ]),
    );
}

function varint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw invalid("a number that does not end");
    value += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(value)) throw invalid("a number that is too large");
    if ((byte & 0x80) === 0) return value;
  }
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

function invalid(problem: string): Error {
  return ostreeErrors.error("object-invalid", `ostree.sizes: ${problem}`);
}
