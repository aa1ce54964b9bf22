import { type ByteString } from "../byte-string.ts";
import { coreErrors } from "../errors.ts";

/** Bytes that grow as they are written. Numbers that do not fit their field are `core/value-range`. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #length = 0;

  constructor(initialCapacity = 256) {
    this.#bytes = new Uint8Array(initialCapacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#unsigned(value, 0xff, 1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16le(value: number): this {
    const at = this.#unsigned(value, 0xffff, 2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u16be(value: number): this {
    const at = this.#unsigned(value, 0xffff, 2);
    this.#view.setUint16(at, value, false);
    return this;
  }

  u32le(value: number): this {
    const at = this.#unsigned(value, 0xffffffff, 4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u32be(value: number): this {
    const at = this.#unsigned(value, 0xffffffff, 4);
    this.#view.setUint32(at, value, false);
    return this;
  }

  u64le(value: number | bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, unsigned64(value), true);
    return this;
  }

  u64be(value: number | bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, unsigned64(value), false);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** The bytes of a byte string, without a terminator. */
  string(value: ByteString): this {
    const at = this.#grow(value.length);
    for (let index = 0; index < value.length; index++) this.#bytes[at + index] = value.charCodeAt(index);
    return this;
  }

  cString(value: ByteString): this {
    return this.string(value).u8(0);
  }

  /** Unsigned LEB128. */
  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw outOfRange(value, "a variable-length number");
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }

  zeros(count: number): this {
    this.#grow(count);
    return this;
  }

  /** Zeros up to the next multiple of `alignment`, counted from the start. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Writes again over bytes that are already there. */
  patch(position: number, bytes: Uint8Array): this {
    if (position + bytes.length > this.#length) throw outOfRange(position, "a position that was written");
    this.#bytes.set(bytes, position);
    return this;
  }

  /** A copy of all that was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #unsigned(value: number, most: number, size: number): number {
    if (!Number.isInteger(value) || value < 0 || value > most) {
      throw outOfRange(value, `an unsigned number of ${size} bytes`);
    }
    return this.#grow(size);
  }

  /** Makes room and returns where it begins. New room is zero. */
  #grow(size: number): number {
    const at = this.#length;
    const need = at + size;
    if (need > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = need;
    return at;
  }
}

function unsigned64(value: number | bigint): bigint {
  const wide = typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value) : -1n;
  if (wide < 0n || wide > 0xffff_ffff_ffff_ffffn) throw outOfRange(value, "an unsigned number of 8 bytes");
  return wide;
}

export function outOfRange(value: number | bigint, wanted: string): Error {
  return coreErrors.error("value-range", `${value} is not ${wanted}`);
}
