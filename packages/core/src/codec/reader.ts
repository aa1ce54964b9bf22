import { type ByteString, byteString } from "../byte-string.ts";
import type { StoreError } from "../error.ts";
import { coreErrors } from "../errors.ts";

/** The codes with which a decoder refuses its input. */
export type DataError = StoreError<
  "core/data-truncated" | "core/data-trailing" | "core/data-invalid" | "core/data-limit"
>;

/**
 * A cursor over bytes that come from a stranger. It knows its limits, where it stands, and the name of
 * what it reads, so that each refusal says `FORMAT › FIELD at 0xOFFSET`.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Names the format in errors. */
  readonly format: string;
  /** What to add to a position to get the offset in the file that these bytes were cut from. */
  readonly base: number;
  readonly #view: DataView;
  #position: number;

  constructor(bytes: Uint8Array, options: { format: string; base?: number; position?: number }) {
    this.bytes = bytes;
    this.format = options.format;
    this.base = options.base ?? 0;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = options.position ?? 0;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.bytes.length - this.#position;
  }

  seek(position: number, field = "position"): void {
    if (!Number.isSafeInteger(position) || position < 0 || position > this.bytes.length) {
      throw this.invalid(field, `${position} is outside of the ${this.bytes.length} bytes there are`);
    }
    this.#position = position;
  }

  skip(size: number, field = "padding"): void {
    this.#take(size, field);
  }

  /** A view of the next bytes, not a copy. */
  take(size: number, field: string): Uint8Array {
    const at = this.#take(size, field);
    return this.bytes.subarray(at, at + size);
  }

  takeString(size: number, field: string): ByteString {
    return byteString(this.take(size, field));
  }

  /** The bytes up to a NUL, which is passed over; at most `limit` bytes before it. */
  takeCString(limit: number, field: string): ByteString {
    const end = this.bytes.indexOf(0, this.#position);
    if (end < 0) throw this.truncated(field, "a terminating NUL");
    if (end - this.#position > limit) throw this.limit(field, `longer than ${limit} bytes`);
    const value = byteString(this.bytes.subarray(this.#position, end));
    this.#position = end + 1;
    return value;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }

  u16le(field: string): number {
    return this.#view.getUint16(this.#take(2, field), true);
  }

  u16be(field: string): number {
    return this.#view.getUint16(this.#take(2, field), false);
  }

  u32le(field: string): number {
    return this.#view.getUint32(this.#take(4, field), true);
  }

  u32be(field: string): number {
    return this.#view.getUint32(this.#take(4, field), false);
  }

  u64le(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field), true);
  }

  u64be(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field), false);
  }

  /** A 64-bit size or offset that must be a safe integer and at most `limit`. */
  size64le(field: string, limit: number = Number.MAX_SAFE_INTEGER): number {
    return this.#size(this.u64le(field), field, limit);
  }

  size64be(field: string, limit: number = Number.MAX_SAFE_INTEGER): number {
    return this.#size(this.u64be(field), field, limit);
  }

  /** Unsigned LEB128, at most ten bytes and a safe integer. */
  varint(field: string): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw this.limit(field, "larger than 2^53");
      if ((byte & 0x80) === 0) return value;
      scale *= 128;
    }
    throw this.invalid(field, "a variable-length number of more than ten bytes");
  }

  /** Refuses bytes that are left over. */
  expectEnd(): void {
    if (this.remaining > 0) {
      throw coreErrors.error(
        "data-trailing",
        `${this.format}: ${this.remaining} bytes left over at ${this.#at()}`,
        {
          context: { format: this.format, offset: this.base + this.#position },
        },
      );
    }
  }

  invalid(field: string, problem: string): DataError {
    return coreErrors.error("data-invalid", `${this.format} › ${field} at ${this.#at()}: ${problem}`, {
      context: { format: this.format, field, offset: this.base + this.#position },
    });
  }

  limit(field: string, problem: string): DataError {
    return coreErrors.error("data-limit", `${this.format} › ${field} at ${this.#at()}: ${problem}`, {
      context: { format: this.format, field, offset: this.base + this.#position },
    });
  }

  truncated(field: string, wanted: string): DataError {
    return coreErrors.error(
      "data-truncated",
      `${this.format} › ${field} at ${this.#at()}: wanted ${wanted}, ${this.remaining} bytes are left`,
      { context: { format: this.format, field, offset: this.base + this.#position } },
    );
  }

  #take(size: number, field: string): number {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.remaining) {
      throw this.truncated(field, `${size} bytes`);
    }
    const at = this.#position;
    this.#position += size;
    return at;
  }

  #size(value: bigint, field: string, limit: number): number {
    if (value > BigInt(limit)) throw this.limit(field, `${value} is more than ${limit}`);
    return Number(value);
  }

  #at(): string {
    return `0x${(this.base + this.#position).toString(16)}`;
  }
}
