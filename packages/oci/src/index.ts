export { type Descriptor, type ExactDocument } from "./image/descriptor.ts";
export {
  type ContentFile,
  type ContentSegment,
  type InlineSegment,
  segmentBytes,
  type SegmentContent,
  type TarSegment,
} from "./tar/segments.ts";
