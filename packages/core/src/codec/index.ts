export { KeyFile, type KeyFileProfile } from "./keyfile.ts";
export { ByteReader, type DataError } from "./reader.ts";
export {
  allZero,
  any,
  atMost,
  bytesField,
  type Constraint,
  equals,
  type Field,
  field,
  type FieldDescription,
  type FieldType,
  flags,
  i64le,
  oneOf,
  type Struct,
  struct,
  u16be,
  u16le,
  u32be,
  u32le,
  u64be,
  u64le,
  u8,
} from "./struct.ts";
export { ByteWriter } from "./writer.ts";
