export { gvariant, type VariantCodec } from "./codec.ts";
export { type DecodeOptions } from "./decode.ts";
export { lookupValue, lookupVariant, variant } from "./dict.ts";
export { type EncodeOptions } from "./encode.ts";
export { swap32, swap64 } from "./swap.ts";
export { isTypeString } from "./type.ts";
export { type Dict, type Just, type ValueOf, type Variant } from "./value.ts";
export { parseVariantText } from "./parse-text.ts";
export { printValue } from "./print.ts";
