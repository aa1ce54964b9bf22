export {
  type BootedComposefs,
  type BootedOptions,
  type BootedOstree,
  BootedStorage,
  type BootedStorageKind,
} from "./booted.ts";
export { type ComposefsCmdline } from "./composefs-cmdline.ts";
export { detectRoot } from "./detect/index.ts";
export {
  type BootcRootReport,
  type BootEntryReport,
  type BootReport,
  type ComposefsDeploymentReport,
  type ComposefsReport,
  type ContainerImageReport,
  type ContainersStorageReport,
  type OstreeDeploymentReport,
  type OstreeReport,
  type RootReport,
} from "./detect/report.ts";
export { ensureComposefsBootcLink, ensureComposefsDir } from "./ensure-layout.ts";
export { type DetectOptions, Environment } from "./environment.ts";
export { storageErrors } from "./errors.ts";
export { type CachedImageStatus, type ImageReference, type ImageStatus } from "./image-status.ts";
export {
  type BootedName,
  type ComposefsEntry,
  composefsHost,
  type ComposefsHostOptions,
  type Host,
  type HostBootloader,
  type HostEntry,
  hostOf,
  hostOfRoot,
  type HostOfRootOptions,
  type HostStatus,
  NO_STATUS,
  type OstreeEntry,
  ostreeHost,
  type OstreeHostOptions,
  parseBootedName,
  parseHost,
  printHostForPeople,
  printHostJson,
  printHostYaml,
  type UsrOverlay,
} from "./host/index.ts";
export {
  askLinux,
  getPhysicalRootAndRun,
  type PhysicalRootAndRun,
  type ReadOnlyQuestions,
  sysrootIsReadOnly,
} from "./physical-root.ts";
export {
  type BootloaderKind,
  type Esp,
  type EspAccess,
  type OpenContext,
  Storage,
  type StorageOptions,
  type StoreOpeners,
} from "./storage.ts";
export {
  type ImgstoreOpener,
  type ImgstoreOptions,
  composefsOpener,
  imgstoreOpener,
  ostreeOpener,
} from "./openers.ts";
export {
  composefsToOstree,
  type OstreeStageOptions,
  type OstreeStageResult,
} from "./stages/composefs-to-ostree.ts";
export { type StageName, STAGES } from "./stages/index.ts";
export { type PlannedLayer, planPull, type PullPlan, requireRoom } from "./stages/pull-plan.ts";
export { pull, type PullOptions, type PullProgress, type PullResult } from "./stages/pull.ts";
export { imageOfSource, pullIntoStorage, type StorageStageResult } from "./stages/pull-into-storage.ts";
export {
  type ComposefsStageOptions,
  type ComposefsStageResult,
  storageToComposefs,
} from "./stages/storage-to-composefs.ts";
export { PhysicalStores, type StoresOptions } from "./stages/stores.ts";
export {
  diskUse,
  type DiskUse,
  type ImageDiskUse,
  type LayerDiskUse,
  type PartDiskUse,
  sizedRootImages,
  type StoreDiskUse,
  type ThingDiskUse,
} from "./whole/disk-use.ts";
export { type ExistingStore, ExistingStores, type ExistingStoresOptions } from "./whole/existing-stores.ts";
export { type Repaired, type RepairOptions, type RepairResult, repairRoot } from "./whole/repair.ts";
export { type ExportedImage, exportImage, type ExportOptions } from "./whole/export-image.ts";
export { listRootImages, type RootImage } from "./whole/images.ts";
export { verifyRoot } from "./whole/verify.ts";
export { type AspectChange, diffFound, type DiffTreesOptions, type TreeDifference } from "./whole/diff.ts";
export {
  compareDigests,
  type DigestAttribute,
  type DigestComparison,
  type DigestDifference,
  takeOver,
} from "./whole/digest-diff.ts";
export {
  type EncodedFormat,
  type EncodedTree,
  encodedTrees,
  type EncodedTreeOptions,
  idOfTree,
} from "./whole/encoded-tree.ts";
export { readDirectoryTree } from "./whole/directory-tree.ts";
export { findTree, type FindTreeOptions, type FoundTree } from "./whole/find-tree.ts";
export { applyRootGc, planRootGc, type RootGcPlan, type RootGcResult } from "./whole/gc.ts";
export { type RemovedImage, removeRootImage } from "./whole/remove-image.ts";
export { type KeptBy, type Why, whyKept } from "./whole/why.ts";
