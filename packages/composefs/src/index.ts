export {
  type ContainerRootOptions,
  idOfDirectory,
  writeDirectory,
  type WriteDirectoryOptions,
  type WrittenDirectory,
} from "./directory/container-root.ts";
export { ALGORITHMS, type ComposefsAlgorithm } from "./algorithm.ts";
export { type BackendOptions, ComposefsBackend } from "./backend.ts";
export {
  type ComposefsDeployment,
  type ComposefsDeployments,
  type DeploymentEntry,
  type DeploymentOrigin,
  readDeployments,
  type ReadDeploymentsOptions,
} from "./deployments/read.ts";
export { deploymentRoots } from "./deployments/roots.ts";
export { readDirectory, type ReadDirectory, type ReadDirectoryOptions } from "./directory/read-directory.ts";
export { type ScanOptions } from "./directory/scan.ts";
export { type Placed } from "./directory/tasks.ts";
export { composefsErrors } from "./errors.ts";
export { type ErofsVersion, parseMeta, printMeta, type RepositoryMeta } from "./format/meta-json.ts";
export { COMPOSEFS_LIMITS, type ComposefsLimits } from "./limits.ts";
export { type BootEntry, findBootEntries } from "./oci/boot-entries.ts";
export { mark, type Marked } from "./maintenance/mark.ts";
export { type RepositoryFinding } from "./maintenance/verify.ts";
export {
  type Broken,
  brokenObjects,
  findBroken,
  removeBroken,
  restoreLinks,
  streamsOfImage,
} from "./maintenance/restore.ts";
export { mountImage, type MountImageOptions } from "./mount/mount-image.ts";
export { mountStoredImage } from "./mount/mount-stored-image.ts";
export { readImageBytes } from "./oci/erofs-image.ts";
export {
  type ErofsIds,
  erofsIdsOf,
  type WriteImageOptions,
  type WrittenComposefsImage,
} from "./oci/image.ts";
export { transformForBoot, transformForOci, type XattrMode } from "./oci/transform.ts";
export { ObjectStore, type VerityPolicy } from "./objects/store.ts";
export { type InitOptions, type OpenOptions, Repository } from "./repository/repository.ts";
export { readSplitstream, type Splitstream } from "./splitstream/reader.ts";
export { listTags, readTag, removeTag, type Tag, writeTag } from "./streams/tags.ts";
