export { cancelled, throwIfAborted, whenAborted } from "./abort.ts";
export {
  type ByteString,
  byteString,
  bytesOf,
  compareByteStrings,
  displayName,
  isByteString,
  printable,
  textOf,
  utf8,
} from "./byte-string.ts";
export { compareBytes, concatBytes, equalBytes, fromHex, toHex } from "./bytes.ts";
export { crashPoint, type CrashPointName, onCrashPoint } from "./crash-point.ts";
export {
  type Digest,
  type DigestAlgorithm,
  digestFromBytes,
  digestFromHex,
  DIGEST_SIZES,
  equalDigests,
  parseDigest,
  parseDigestOptional,
  printDigest,
} from "./digest-value.ts";
export { Lifetime } from "./dispose.ts";
export {
  defineErrors,
  type ErrorContext,
  type ErrorKind,
  type ErrorRow,
  type ErrorTable,
  isStoreError,
  type MakeErrorOptions,
  renderError,
  StoreError,
  type StoreErrorJson,
  type StoreErrorOptions,
  withContext,
  withContextSync,
} from "./error.ts";
export { canonicalJson } from "./canonical-json.ts";
export { coreErrors } from "./errors.ts";
export { type BackendKind, type Finding, type Repair, type Severity } from "./finding.ts";
export { type Log, type LogFields, type LogLevel, silentLog } from "./log.ts";
export { type OnProgress, type OperationOptions, type Progress, signalOf } from "./progress.ts";
