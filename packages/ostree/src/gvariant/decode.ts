import { ostreeErrors } from "../errors.ts";
import { textAt } from "./text-bytes.ts";
import {
  alignUp,
  type ArrayType,
  type BasicType,
  isSignature,
  type MaybeType,
  MAX_DEPTH,
  offsetWidth,
  offsetWidthFor,
  parseType,
  type TupleType,
  type Type,
} from "./type.ts";
import type { Variant } from "./value.ts";

export interface DecodeOptions {
  /** Of numbers; framing offsets are little endian always. Default `little`. */
  readonly byteOrder?: "little" | "big";
  /** Elements of arrays, members of tuples and variants in all. Default 16 million. */
  readonly maxElements?: number;
  /** Names what is read in errors. Default `variant`. */
  readonly format?: string;
}

const MAX_ELEMENTS = 1 << 24;

/** Reads a value that is in normal form, and refuses everything else: each value has exactly one form. */
export function decodeValue(type: Type, bytes: Uint8Array, options: DecodeOptions = {}): unknown {
  return new Decoder(bytes, options).value(type, 0, bytes.length, 0);
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #format: string;
  readonly #limit: number;
  #left: number;

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = options.byteOrder !== "big";
    this.#format = options.format ?? "variant";
    this.#limit = options.maxElements ?? MAX_ELEMENTS;
    this.#left = this.#limit;
  }

  value(type: Type, start: number, end: number, depth: number): unknown {
    if (type.size !== undefined && end - start !== type.size) {
      throw this.#notNormal(type, start, `it takes ${type.size} bytes, not ${end - start}`);
    }
    switch (type.kind) {
      case "basic":
        return this.#basic(type, start, end);
      case "array":
        return this.#array(type, start, end, depth);
      case "tuple":
        return this.#tuple(type, start, end, depth);
      case "maybe":
        return this.#maybe(type, start, end, depth);
      default:
        return this.#variant(type, start, end, depth);
    }
  }

  #basic(type: BasicType, start: number, end: number): number | bigint | boolean | string {
    switch (type.letter) {
      case "y":
        return this.#bytes[start] as number;
      case "b": {
        const byte = this.#bytes[start] as number;
        if (byte > 1) throw this.#notNormal(type, start, `a boolean is 0 or 1, not ${byte}`);
        return byte === 1;
      }
      case "n":
        return this.#view.getInt16(start, this.#little);
      case "q":
        return this.#view.getUint16(start, this.#little);
      case "i":
      case "h":
        return this.#view.getInt32(start, this.#little);
      case "u":
        return this.#view.getUint32(start, this.#little);
      case "x":
        return this.#view.getBigInt64(start, this.#little);
      case "t":
        return this.#view.getBigUint64(start, this.#little);
      case "d":
        return this.#view.getFloat64(start, this.#little);
      default:
        return this.#string(type, start, end);
    }
  }

  #string(type: BasicType, start: number, end: number): string {
    if (end <= start || this.#bytes[end - 1] !== 0) throw this.#notNormal(type, start, "no NUL byte ends it");
    const text = textAt(this.#bytes, start, end - 1);
    if (text === undefined) throw this.#notNormal(type, start, "it is not UTF-8, or has a NUL byte in it");
    if (type.letter === "o" && !isObjectPath(text))
      throw this.#notNormal(type, start, "it is no object path");
    if (type.letter === "g" && !isSignature(text)) throw this.#notNormal(type, start, "it is no signature");
    return text;
  }

  #array(type: ArrayType, start: number, end: number, depth: number): unknown {
    const { element } = type;
    const size = end - start;
    if (element.size !== undefined) {
      if (size % element.size !== 0) {
        throw this.#notNormal(type, start, `${size} bytes are no multiple of ${element.size}`);
      }
      if (element.kind === "basic" && element.letter === "y") return this.#bytes.subarray(start, end);
      this.#count(type, start, size / element.size);
      const values: unknown[] = [];
      for (let at = start; at < end; at += element.size) {
        values.push(this.value(element, at, at + element.size, depth + 1));
      }
      return values;
    }
    if (size === 0) return [];
    const width = offsetWidth(size);
    // The last offset is the end of the last element, where the table of offsets begins.
    const table = start + this.#offset(end - width, width, type, size);
    const count = (end - table) / width;
    if (table >= end || !Number.isInteger(count))
      throw this.#notNormal(type, start, "its offsets are not a table");
    if (offsetWidthFor(table - start, count) !== width) {
      throw this.#notNormal(type, start, "its offsets are wider than they have to be");
    }
    this.#count(type, start, count);
    const values: unknown[] = [];
    let from = start;
    for (let at = 0; at < count; at++) {
      const first = alignUp(from, element.align);
      const last = start + this.#offset(table + at * width, width, type, size);
      if (last < first || last > table) {
        throw this.#notNormal(type, start, `element ${at} ends before it begins, or after the array`);
      }
      this.#zeros(type, from, first);
      values.push(this.value(element, first, last, depth + 1));
      from = last;
    }
    return values;
  }

  #tuple(type: TupleType, start: number, end: number, depth: number): unknown[] {
    const { members } = type;
    this.#count(type, start, members.length);
    const size = end - start;
    const width = type.offsets === 0 ? 0 : offsetWidth(size);
    const table = end - type.offsets * width;
    if (table < start) throw this.#notNormal(type, start, `${size} bytes are too few`);
    if (width > 0 && offsetWidthFor(table - start, type.offsets) !== width) {
      throw this.#notNormal(type, start, "its offsets are wider than they have to be");
    }
    const values: unknown[] = [];
    let from = start;
    let offset = end;
    for (let at = 0; at < members.length; at++) {
      const member = members[at] as Type;
      const first = alignUp(from, member.align);
      let last: number;
      if (member.size !== undefined) last = first + member.size;
      else if (at === members.length - 1) last = table;
      else {
        offset -= width;
        last = start + this.#offset(offset, width, type, size);
      }
      if (last < first || last > table) {
        throw this.#notNormal(type, start, `member ${at} ends before it begins, or after the others`);
      }
      this.#zeros(type, from, first);
      values.push(this.value(member, first, last, depth + 1));
      from = last;
    }
    // Only a tuple of fixed size is padded at its end.
    if (type.size !== undefined) this.#zeros(type, from, end);
    else if (from !== table) throw this.#notNormal(type, start, `${table - from} bytes belong to no member`);
    return values;
  }

  #maybe(type: MaybeType, start: number, end: number, depth: number): { just: unknown } | undefined {
    if (start === end) return undefined;
    this.#count(type, start, 1);
    if (type.element.size !== undefined) return { just: this.value(type.element, start, end, depth + 1) };
    if (this.#bytes[end - 1] !== 0) throw this.#notNormal(type, start, "no zero byte ends it");
    return { just: this.value(type.element, start, end - 1, depth + 1) };
  }

  #variant(type: Type, start: number, end: number, depth: number): Variant {
    this.#count(type, start, 1);
    const nul = end > start ? this.#bytes.lastIndexOf(0, end - 1) : -1;
    if (nul < start) throw this.#notNormal(type, start, "no type follows the value");
    const text = textAt(this.#bytes, nul + 1, end);
    if (text === undefined) throw this.#notNormal(type, start, "the type is not text");
    const inner = parseType(text);
    if (depth + inner.depth > MAX_DEPTH) {
      throw ostreeErrors.error(
        "variant-limit",
        `${this.#format}: more than ${MAX_DEPTH} levels at ${start}`,
        {
          context: { offset: start, limit: MAX_DEPTH },
        },
      );
    }
    return { type: text, value: this.value(inner, start, nul, depth + 1) };
  }

  #offset(at: number, width: number, type: Type, size: number): number {
    let value: number;
    if (width === 1) value = this.#bytes[at] as number;
    else if (width === 2) value = this.#view.getUint16(at, true);
    else if (width === 4) value = this.#view.getUint32(at, true);
    else value = Number(this.#view.getBigUint64(at, true));
    if (value > size)
      throw this.#notNormal(type, at, `an offset of ${value} in a container of ${size} bytes`);
    return value;
  }

  #zeros(type: Type, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      if (this.#bytes[at] !== 0) throw this.#notNormal(type, at, "padding that is not zero");
    }
  }

  #count(type: Type, start: number, more: number): void {
    this.#left -= more;
    if (this.#left >= 0) return;
    throw ostreeErrors.error(
      "variant-limit",
      `${this.#format}: more than ${this.#limit} elements (${shownType(type)} at ${start})`,
      { context: { offset: start, limit: this.#limit } },
    );
  }

  #notNormal(type: Type, offset: number, problem: string): Error {
    return ostreeErrors.error(
      "variant-not-normal",
      `${this.#format} › ${shownType(type)} at 0x${offset.toString(16)}: ${problem}`,
      { context: { type: shownType(type), offset } },
    );
  }
}

function shownType(type: Type): string {
  return type.text.length > 80 ? `${type.text.slice(0, 80)}...` : type.text;
}

/** `/`, or names of letters, digits and underscores, each after a slash. */
export function isObjectPath(text: string): boolean {
  return /^(?:\/|(?:\/[A-Za-z0-9_]+)+)$/.test(text);
}
