// Binary layouts as tables of fields. From the one table come decoding, encoding, a description for people
// and the places where a fuzzer may hurt. A table with a hole, an overlap or a wrong total does not load.

import { toHex } from "../bytes.ts";
import { coreErrors } from "../errors.ts";
import { ByteReader } from "./reader.ts";
import { outOfRange } from "./writer.ts";

/** How one field's bytes become a value and back. */
export interface FieldType<T> {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
}

/** A rule about a field's value: `undefined` if it holds, else what is wrong. */
export type Constraint<T> = (value: T) => string | undefined;

export interface Field<N extends string = string, T = unknown> {
  readonly name: N;
  readonly offset: number;
  readonly type: FieldType<T>;
  constraint(this: void, value: T): string | undefined;
  readonly about: string;
}

type FieldsValue<F extends readonly Field<string, unknown>[]> = {
  [K in F[number] as K["name"] extends `_${string}` ? never : K["name"]]: K extends Field<string, infer T>
    ? T
    : never;
};

export interface FieldDescription {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly type: string;
  readonly about: string;
}

export interface Struct<V> {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly FieldDescription[];
  /** Reads and checks every field at `offset`; `base` is added to offsets in errors. */
  decode(bytes: Uint8Array, offset?: number, base?: number): V;
  /** Checks every field and writes it, into `into` at `offset` if given. */
  encode(value: V, into?: Uint8Array, offset?: number): Uint8Array;
}

/**
 * A row of a layout. A name that begins with `_` is padding: written as zeros, not part of the value, and
 * read without being looked at unless its constraint says otherwise.
 */
export function field<const N extends string, T>(
  name: N,
  offset: number,
  type: FieldType<T>,
  constraint: Constraint<NoInfer<T>>,
  about: string,
): Field<N, T> {
  return { name, offset, type, constraint, about };
}

/** A layout of `size` bytes from its rows, which must be contiguous. */
export function struct<const F extends readonly Field<string, unknown>[]>(
  name: string,
  size: number,
  fields: F,
): Struct<FieldsValue<F>> {
  type V = FieldsValue<F>;
  const rows: readonly Field[] = fields;
  let end = 0;
  for (const row of rows) {
    if (row.offset !== end) {
      throw coreErrors.error(
        "struct-table",
        `${name} › ${row.name}: at ${row.offset}, but the row before ends at ${end}`,
      );
    }
    end += row.type.size;
  }
  if (end !== size)
    throw coreErrors.error("struct-table", `${name}: rows end at ${end}, the size is ${size}`);

  return {
    name,
    size,
    fields: rows.map((row) => ({
      name: row.name,
      offset: row.offset,
      size: row.type.size,
      type: row.type.name,
      about: row.about,
    })),
    decode(bytes, offset = 0, base = 0) {
      const reader = new ByteReader(bytes, { format: name, base });
      reader.seek(offset, name);
      if (reader.remaining < size) throw reader.truncated(name, `${size} bytes`);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const value: Record<string, unknown> = {};
      for (const row of rows) {
        const read = row.type.read(view, offset + row.offset);
        const problem = row.constraint(read);
        if (problem !== undefined) {
          reader.seek(offset + row.offset);
          throw reader.invalid(row.name, problem);
        }
        if (!row.name.startsWith("_")) value[row.name] = read;
      }
      return value as V;
    },
    encode(value, into, offset = 0) {
      const bytes = into ?? new Uint8Array(size);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (const row of rows) {
        if (row.name.startsWith("_")) {
          bytes.fill(0, offset + row.offset, offset + row.offset + row.type.size);
          continue;
        }
        const given = (value as Record<string, unknown>)[row.name];
        const problem = row.constraint(given);
        if (problem !== undefined) throw coreErrors.error("value-range", `${name} › ${row.name}: ${problem}`);
        row.type.write(view, offset + row.offset, given);
      }
      return bytes;
    },
  };
}

/** The type of a literal's kind, so that a rule about 0x10 is a rule about numbers. */
type Widened<T extends number | bigint> = T extends number ? number : bigint;

/** No rule. */
export function any(): undefined {
  return undefined;
}

export function equals<T extends number | bigint>(wanted: T): Constraint<Widened<T>> {
  return (value) => (value === wanted ? undefined : `expected ${shown(wanted)}, found ${shown(value)}`);
}

export function atMost<T extends number | bigint>(most: T): Constraint<Widened<T>> {
  return (value) => (value <= most ? undefined : `expected at most ${shown(most)}, found ${shown(value)}`);
}

export function oneOf<T extends number | bigint>(...allowed: readonly T[]): Constraint<Widened<T>> {
  return (value) =>
    (allowed as readonly (number | bigint)[]).includes(value)
      ? undefined
      : `expected one of ${allowed.map(shown).join(", ")}, found ${shown(value)}`;
}

/** Only these bits may be set. */
export function flags(known: number): Constraint<number> {
  return (value) =>
    (value & ~known) >>> 0 === 0
      ? undefined
      : `unknown flags ${shown((value & ~known) >>> 0)} in ${shown(value)}`;
}

/** Bytes that must all be zero, for padding that a format reserves. */
export function allZero(value: Uint8Array): string | undefined {
  return value.every((byte) => byte === 0)
    ? undefined
    : `reserved bytes are not zero: ${toHex(value.subarray(0, 16))}`;
}

export const u8: FieldType<number> = {
  name: "u8",
  size: 1,
  read: (view, offset) => view.getUint8(offset),
  write: (view, offset, value) => view.setUint8(offset, unsigned(value, 0xff)),
};

export const u16le: FieldType<number> = {
  name: "u16le",
  size: 2,
  read: (view, offset) => view.getUint16(offset, true),
  write: (view, offset, value) => view.setUint16(offset, unsigned(value, 0xffff), true),
};

export const u16be: FieldType<number> = {
  name: "u16be",
  size: 2,
  read: (view, offset) => view.getUint16(offset, false),
  write: (view, offset, value) => view.setUint16(offset, unsigned(value, 0xffff), false),
};

export const u32le: FieldType<number> = {
  name: "u32le",
  size: 4,
  read: (view, offset) => view.getUint32(offset, true),
  write: (view, offset, value) => view.setUint32(offset, unsigned(value, 0xffffffff), true),
};

export const u32be: FieldType<number> = {
  name: "u32be",
  size: 4,
  read: (view, offset) => view.getUint32(offset, false),
  write: (view, offset, value) => view.setUint32(offset, unsigned(value, 0xffffffff), false),
};

export const u64le: FieldType<bigint> = {
  name: "u64le",
  size: 8,
  read: (view, offset) => view.getBigUint64(offset, true),
  write: (view, offset, value) => view.setBigUint64(offset, unsigned64(value), true),
};

export const u64be: FieldType<bigint> = {
  name: "u64be",
  size: 8,
  read: (view, offset) => view.getBigUint64(offset, false),
  write: (view, offset, value) => view.setBigUint64(offset, unsigned64(value), false),
};

export const i64le: FieldType<bigint> = {
  name: "i64le",
  size: 8,
  read: (view, offset) => view.getBigInt64(offset, true),
  write: (view, offset, value) =>
    view.setBigInt64(offset, BigInt.asIntN(64, value) === value ? value : refuse(value, 8), true),
};

/** `size` bytes as they are; what is read is a copy. */
export function bytesField(size: number): FieldType<Uint8Array> {
  return {
    name: `bytes[${size}]`,
    size,
    read: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
    write(view, offset, value) {
      if (value.length !== size) throw outOfRange(value.length, `${size}, the length of the field`);
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value);
    },
  };
}

function unsigned(value: number, most: number): number {
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw outOfRange(value, `a number from 0 to ${most}`);
  return value;
}

function unsigned64(value: bigint): bigint {
  return BigInt.asUintN(64, value) === value ? value : refuse(value, 8);
}

function refuse(value: bigint, size: number): never {
  throw outOfRange(value, `a number of ${size} bytes`);
}

function shown(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
