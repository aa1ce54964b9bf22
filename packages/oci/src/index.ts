export { ociErrors } from "./errors.ts";
export { type Descriptor, type ExactDocument } from "./image/descriptor.ts";
export { type SparsePiece, type TarEntry, type TarEntryType, type TarFormat } from "./tar/entry.ts";
export { TAR_LIMITS, type TarLimits } from "./tar/limits.ts";
export { type TarEvents, TarParser } from "./tar/parser.ts";
export { readSegments, readTar, type ReadTarOptions, type TarItem } from "./tar/reader.ts";
export {
  type ContentFile,
  type ContentSegment,
  type InlineSegment,
  segmentBytes,
  type SegmentContent,
  type TarSegment,
} from "./tar/segments.ts";
