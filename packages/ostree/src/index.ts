export { OstreeBackend } from "./backend/backend.ts";
export { type RepoFinding, verifyRepo } from "./backend/verify.ts";
export { type SetAside, setDamagedAside } from "./maintain/set-aside.ts";
export { type Reason, reasonsFor } from "./backend/why.ts";
export { type CommitDescription, type WriteTreeOptions } from "./commit/options.ts";
export { MutableTree } from "./commit/mutable-tree.ts";
export { writeCommit } from "./commit/write-commit.ts";
export {
  COMPOSEFS_DIGEST,
  composefsDigest,
  composefsImage,
  type ComposefsImageOptions,
} from "./composefs/image.ts";
export {
  BASE_PREFIX,
  cacheUpdate,
  type CachedUpdate,
  clearCachedUpdate,
  type ContentMetadata,
  encapsulate,
  type EncapsulateOptions,
  escapeForRef,
  findImage,
  imageOfCommit,
  IMAGE_PREFIX,
  type ImageLayout,
  type ImportedImage,
  importImage,
  type ImportImageOptions,
  IMPORTER_VERSION,
  imageRefOf,
  LAYER_PREFIX,
  layerRef,
  layoutOf,
  listImages,
  type PlacedLayer,
  readCachedUpdate,
  reexport,
  removeImages,
  removeUnusedLayers,
  type StoredImage,
  type StoredLayer,
  unencapsulate,
  type UnencapsulateOptions,
  unescapeFromRef,
  wantedImages,
} from "./container/index.ts";
export { ostreeErrors } from "./errors.ts";
export { type Checksum, checkChecksum, isChecksum } from "./format/checksum.ts";
export { type Commit, decodeCommit, encodeCommit } from "./format/commit.ts";
export { decodeDirtree, type Dirtree, type DirtreeDir, encodeDirtree } from "./format/dirtree.ts";
export { contentPrefix, decodeDirmeta, encodeDirmeta, type FileInfo } from "./format/file-info.ts";
export { type RepoMode } from "./format/mode.ts";
export { type MetadataType, type ObjectType } from "./format/object-type.ts";
export { readContent } from "./objects/content.ts";
export { type FileObject, ObjectReader, type Stored } from "./objects/reader.ts";
export type { WrittenFile } from "./objects/written-file.ts";
export { type MinFreeSpace, type RepoConfig, type Tristate } from "./repo/config.ts";
export { initRepo, type InitOptions } from "./repo/init.ts";
export { commitReader, policyOf } from "./selinux/policy.ts";
export { Traversal, type TraverseOptions } from "./read/traverse.ts";
export { revParse } from "./read/rev-parse.ts";
export { checkRefName, isRefName, parseRefspec, printRefspec, type Refspec } from "./repo/ref-name.ts";
export { type FoundRef, HEADS, type RefOwner, Refs } from "./repo/refs.ts";
export { type OpenOptions, Repo } from "./repo/repo.ts";
export { Transaction, type TransactionOptions, type TransactionStats } from "./repo/transaction.ts";
export { type BootDirectory, listBootDirectories } from "./sysroot/boot-directories.ts";
export { type OstreeBootEntry } from "./sysroot/boot-entries.ts";
export {
  type Deployment,
  deploymentBaseName,
  type DeploymentName,
  deploymentPath,
  parseDeploymentName,
  type Unlocked,
} from "./sysroot/deployment.ts";
export { type LoaderTexts, readLoaderTexts } from "./sysroot/loader-texts.ts";
export { type Neighbours, type OpenSysrootOptions, Sysroot } from "./sysroot/sysroot.ts";
