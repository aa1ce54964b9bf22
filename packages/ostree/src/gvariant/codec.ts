import { type DecodeOptions, decodeValue } from "./decode.ts";
import { type EncodeOptions, encodeValue } from "./encode.ts";
import { parseType } from "./type.ts";
import type { ValueOf } from "./value.ts";

/** Reads and writes values of one type. */
export interface VariantCodec<S extends string> {
  /** The type string. */
  readonly type: S;
  /**
   * The value that bytes in normal form hold; byte arrays in it are views of `bytes`. Throws `ostree/variant-not-normal`,
   * `ostree/variant-limit`, `ostree/variant-type-invalid`.
   */
  decode(bytes: Uint8Array, options?: DecodeOptions): ValueOf<S>;
  /** The normal form of a value. Throws `ostree/variant-value-invalid`. */
  encode(value: ValueOf<S>, options?: EncodeOptions): Uint8Array<ArrayBuffer>;
}

/** The codec of a type string. Throws `ostree/variant-type-invalid`. */
export function gvariant<const S extends string>(type: S): VariantCodec<S> {
  const parsed = parseType(type);
  return {
    type,
    decode: (bytes, options) => decodeValue(parsed, bytes, options) as ValueOf<S>,
    encode: (value, options) => encodeValue(parsed, value, options),
  };
}
