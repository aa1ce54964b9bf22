export { containersStorageErrors } from "./errors.ts";
export { type ContainerRecord } from "./format/containers-json.ts";
export { type BigData, digestsOf, type ImageRecord } from "./format/images-json.ts";
export { type Compression, type LayerRecord } from "./format/layers-json.ts";
export { layerId } from "./format/layer-id.ts";
export { type IdMapping } from "./format/record.ts";
export { type Driver } from "./places.ts";
export { ContainersStorage } from "./store.ts";
export {
  type CsWriteImageOptions,
  type CsWriteLayerOptions,
  type OpenStoreOptions,
} from "./store-options.ts";
export { type DeletedImage } from "./delete.ts";
export { type StoreDamage, type StoreRepair } from "./repair.ts";
export { createContainer, type CreateContainerOptions, deleteContainer } from "./containers.ts";
export { fillLayer, type FillLayerOptions } from "./layer-fill.ts";
export { mountLayer, type MountLayerOptions, unmountLayer } from "./mounts.ts";
export { type DiskUsage, type ImageUsage } from "./disk-usage.ts";
export { type NamesChange } from "./names.ts";
export {
  readStorageConf,
  resolveStore,
  type StorageEnvironment,
  type StoreOptions,
} from "./configuration.ts";
export {
  parseStorageReference,
  printStorageReference,
  type StorageReference,
  type StoreReference,
} from "./format/reference.ts";
export {
  type ConfList,
  mergeStorageConf,
  parseStorageConf,
  type StorageConf,
} from "./format/storage-conf.ts";
export { openReferencedStore, type OpenReferenceOptions } from "./open.ts";
export { type BootcStore, type BootcStoreOptions, ensureBootcStore } from "./bootc/bootc-store.ts";
export { type BoundImage, namesToKeep, parseBoundImage, readBoundImages } from "./bootc/bound-images.ts";
