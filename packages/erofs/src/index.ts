export { parseDumpC, type ParseCOptions } from "./dumpfile/parse-c.ts";
export { parseDumpRs, type ParseRsOptions, settleNames } from "./dumpfile/parse-rs.ts";
export { escapeField, type EscapeOptions } from "./dumpfile/escape.ts";
export {
  type DumpDialect,
  printDump,
  printDumpLine,
  type PrintLineOptions,
  type PrintOptions,
} from "./dumpfile/print.ts";
export { erofsErrors } from "./errors.ts";
export { type FromTreeOptions, imageOfTree, makeDevice, splitDevice } from "./image/from-tree.ts";
export {
  type ExternalFile,
  type ImageChild,
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  type XattrPair,
} from "./image/node.ts";
export { imageTables } from "./layout.ts";
export { checkImage } from "./reader/check.ts";
export { imageObjects } from "./reader/objects.ts";
export { readImage, type ReadImageResult } from "./reader/reader.ts";
export type { ReadImageOptions } from "./reader/walker.ts";
export { treeOfImage } from "./image/to-tree.ts";
export { C_DEFAULT_FORMAT, type ImageFormat, writeImage } from "./writer/writer.ts";
