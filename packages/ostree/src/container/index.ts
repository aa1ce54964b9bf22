export { cacheUpdate, type CachedUpdate, clearCachedUpdate, readCachedUpdate } from "./cached-update.ts";
export { type ImageLayout, layoutOf, type PlacedLayer } from "./layout.ts";
export {
  findImage,
  imageOfCommit,
  listImages,
  removeImages,
  removeUnusedLayers,
  type StoredImage,
  type StoredLayer,
  wantedImages,
} from "./images.ts";
export { IMPORTER_VERSION } from "./image-import.ts";
export { importImage } from "./import-image.ts";
export type { ImportedImage, ImportImageOptions } from "./import-options.ts";
export {
  BASE_PREFIX,
  escapeForRef,
  IMAGE_PREFIX,
  imageRefOf,
  LAYER_PREFIX,
  layerRef,
  unescapeFromRef,
} from "./refs.ts";
export { unencapsulate, type UnencapsulateOptions } from "./unencapsulate.ts";
export { type ContentMetadata, encapsulate, type EncapsulateOptions, reexport } from "./encapsulate.ts";
