export {
  EMPTY_CONTENT,
  equalContent,
  type ExternalContent,
  type FileContent,
  type InlineContent,
  SPARSE_CONTENT,
  type SparseContent,
  type VerityDigest,
} from "./content.ts";
export { Directory } from "./directory.ts";
export { treeErrors } from "./errors.ts";
export {
  type Device,
  device,
  type File,
  file,
  inlineFile,
  type Inode,
  isOverlayWhiteout,
  type Leaf,
  setContent,
  setMetadata,
  type Special,
  special,
  type Symlink,
  symlink,
} from "./leaf.ts";
export { type LayerDirectory, type LayerEntry, type LayerHardlink, type LayerLeaf } from "./layer.ts";
export { DEFAULT_LIMITS, type TreeLimits } from "./limits.ts";
export {
  checkMetadata,
  EPOCH,
  equalMetadata,
  equalTimes,
  type Metadata,
  type MetadataInit,
  metadataOf,
  type Time,
} from "./metadata.ts";
export { type InodeKind, kindOfMode, modeOf, S_IFMT, TYPE_BITS } from "./mode.ts";
export { checkName, joinPath, splitPath } from "./name.ts";
export { emptyTree, lookup, lookupOptional, type Tree } from "./tree.ts";
export { Xattrs } from "./xattrs.ts";
