export { type Backend, type ReadableBackend } from "./backend.ts";
export {
  type AdoptOptions,
  type Amount,
  type CloneSource,
  type Content,
  type ContentSource,
  type ContentTally,
  type LayerSegment,
} from "./content.ts";
export { type Garbage, type GcApplyOptions, type GcOptions, type GcPlan, type GcResult } from "./gc.ts";
export {
  type Image,
  type ImageLayer,
  type ImageSink,
  type ImageSource,
  type ImageSummary,
  type ImageWriteOptions,
  type WrittenImage,
} from "./image-port.ts";
export { type InspectOptions, type Inspection } from "./inspect.ts";
export {
  type Layer,
  type LayerBlob,
  type LayerSink,
  type LayerSource,
  type ReadLayerOptions,
  type WrittenLayer,
} from "./layer-port.ts";
export { measureUsage, type UsagePart } from "./measure.ts";
export { type Root, type RootsOptions } from "./root.ts";
export { TallyBuilder } from "./tally.ts";
export { type BackendTraits } from "./traits.ts";
export { type SourcedTree, type TreeSink, type TreeSource, type WrittenTree } from "./tree-port.ts";
export { type Usage, type UsageOptions } from "./usage.ts";
export { type VerifyDepth, type VerifyOptions } from "./verify.ts";
