import { ostreeErrors } from "../errors.ts";
import { isObjectPath } from "./decode.ts";
import { bytesOfText } from "./text-bytes.ts";
import {
  alignUp,
  type ArrayType,
  type BasicType,
  isSignature,
  MAX_DEPTH,
  offsetWidthFor,
  parseType,
  type TupleType,
  type Type,
} from "./type.ts";
import type { Just, Variant } from "./value.ts";

export interface EncodeOptions {
  /** Of numbers; framing offsets are little endian always. Default `little`. */
  readonly byteOrder?: "little" | "big";
}

/** The one normal form of a value. Throws `ostree/variant-value-invalid` if it is not of the type. */
export function encodeValue(
  type: Type,
  value: unknown,
  options: EncodeOptions = {},
): Uint8Array<ArrayBuffer> {
  const encoder = new Encoder(options.byteOrder !== "big");
  encoder.value(type, value, 0);
  return encoder.finish();
}

class Encoder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  readonly #little: boolean;

  constructor(little: boolean) {
    this.#little = little;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  /** Writes a value at the present position, which is aligned for it: a container is, if its outermost one is. */
  value(type: Type, value: unknown, depth: number): void {
    switch (type.kind) {
      case "basic":
        return this.#basic(type, value);
      case "array":
        return this.#array(type, value, depth);
      case "tuple":
        return this.#tuple(type, value, depth);
      case "maybe":
        if (value === undefined) return;
        if (typeof value !== "object" || value === null || !("just" in value))
          throw invalid(type, "neither just nor nothing");
        this.value(type.element, (value as Just<unknown>).just, depth + 1);
        if (type.element.size === undefined) this.#room(1);
        return;
      case "variant": {
        const { type: text, value: held } = asVariant(type, value);
        const inner = parseType(text);
        if (depth + inner.depth > MAX_DEPTH) {
          throw ostreeErrors.error("variant-limit", `more than ${MAX_DEPTH} levels of containers`);
        }
        this.value(inner, held, depth + 1);
        const at = this.#room(1 + text.length) + 1;
        for (let index = 0; index < text.length; index++) this.#bytes[at + index] = text.charCodeAt(index);
      }
    }
  }

  // The buffer may be another one after `#room`, so it is asked for first and the view afterwards.

  #basic(type: BasicType, value: unknown): void {
    switch (type.letter) {
      case "y":
      case "n":
      case "q":
      case "i":
      case "h":
      case "u":
        return this.#integer(type, value);
      case "x":
      case "t":
        return this.#bigint(type, value);
      case "s":
      case "o":
      case "g":
        return this.#string(type, value);
      case "b": {
        if (typeof value !== "boolean") throw invalid(type, "no boolean");
        const at = this.#room(1);
        this.#bytes[at] = value ? 1 : 0;
        return;
      }
      case "d": {
        if (typeof value !== "number") throw invalid(type, "no number");
        const at = this.#room(8);
        this.#view.setFloat64(at, value, this.#little);
      }
    }
  }

  #integer(type: BasicType, value: unknown): void {
    const size = type.size as number;
    const signed = type.letter === "n" || type.letter === "i" || type.letter === "h";
    const span = 2 ** (8 * size);
    const least = signed ? -span / 2 : 0;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value >= least + span) {
      throw invalid(type, `no whole number from ${least} to ${least + span - 1}`);
    }
    const at = this.#room(size);
    // Negative numbers are stored as what they are modulo 2 to the width.
    if (size === 1) this.#view.setUint8(at, value);
    else if (size === 2) this.#view.setUint16(at, value, this.#little);
    else this.#view.setUint32(at, value, this.#little);
  }

  #bigint(type: BasicType, value: unknown): void {
    const least = type.letter === "x" ? -(1n << 63n) : 0n;
    if (typeof value !== "bigint" || value < least || value >= least + (1n << 64n)) {
      throw invalid(type, `no bigint from ${least} to ${least + (1n << 64n) - 1n}`);
    }
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), this.#little);
  }

  #string(type: BasicType, value: unknown): void {
    const bytes = typeof value === "string" ? bytesOfText(value) : undefined;
    if (bytes === undefined) throw invalid(type, "no text that can be UTF-8 without a NUL byte");
    if (type.letter === "o" && !isObjectPath(value as string)) throw invalid(type, "no object path");
    if (type.letter === "g" && !isSignature(value as string)) throw invalid(type, "no signature");
    const at = this.#room(bytes.length + 1);
    this.#bytes.set(bytes, at);
  }

  #array(type: ArrayType, value: unknown, depth: number): void {
    const { element } = type;
    if (element.kind === "basic" && element.letter === "y") {
      if (!(value instanceof Uint8Array)) throw invalid(type, "no Uint8Array");
      const at = this.#room(value.length);
      this.#bytes.set(value, at);
      return;
    }
    if (!Array.isArray(value)) throw invalid(type, "no array");
    if (element.size !== undefined) {
      for (const item of value as unknown[]) this.value(element, item, depth + 1);
      return;
    }
    const start = this.#at;
    const ends: number[] = [];
    for (const item of value as unknown[]) {
      this.#align(element.align);
      this.value(element, item, depth + 1);
      ends.push(this.#at - start);
    }
    this.#offsets(this.#at - start, ends);
  }

  #tuple(type: TupleType, value: unknown, depth: number): void {
    const { members } = type;
    if (!Array.isArray(value) || value.length !== members.length) {
      throw invalid(type, `no array of ${members.length}`);
    }
    const start = this.#at;
    const ends: number[] = [];
    for (let at = 0; at < members.length; at++) {
      const member = members[at] as Type;
      this.#align(member.align);
      this.value(member, value[at], depth + 1);
      if (member.size === undefined && at < members.length - 1) ends.push(this.#at - start);
    }
    if (type.size !== undefined) this.#room(start + type.size - this.#at);
    else this.#offsets(this.#at - start, ends.reverse());
  }

  #offsets(body: number, ends: readonly number[]): void {
    const width = offsetWidthFor(body, ends.length);
    for (const end of ends) {
      const at = this.#room(width);
      if (width === 1) this.#bytes[at] = end;
      else if (width === 2) this.#view.setUint16(at, end, true);
      else if (width === 4) this.#view.setUint32(at, end, true);
      else this.#view.setBigUint64(at, BigInt(end), true);
    }
  }

  #align(align: number): void {
    const to = alignUp(this.#at, align);
    if (to > this.#at) this.#room(to - this.#at);
  }

  /** Makes room for bytes, which are zero, and says where. */
  #room(size: number): number {
    const at = this.#at;
    const end = at + size;
    if (end > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    this.#at = end;
    return at;
  }
}

function asVariant(type: Type, value: unknown): Variant {
  if (typeof value !== "object" || value === null || typeof (value as Variant).type !== "string") {
    throw invalid(type, "no value with a type");
  }
  return value as Variant;
}

function invalid(type: Type, problem: string): Error {
  const shown = type.text.length > 80 ? `${type.text.slice(0, 80)}...` : type.text;
  return ostreeErrors.error("variant-value-invalid", `a value of type ${shown}: ${problem}`, {
    context: { type: shown },
  });
}
