export { TreeBuilder, type TreeBuilderOptions } from "./builder.ts";
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
export { copyTree, freezeTree } from "./copy.ts";
export { type Aspect, type Change, type DiffOptions, diffTrees, equalTrees } from "./diff.ts";
export { Directory } from "./directory.ts";
export { treeErrors } from "./errors.ts";
export { filterXattrs, keepXattrs, type XattrFilter, XattrPool } from "./filter-xattrs.ts";
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
export {
  type ContextLine,
  parseFileContexts,
  parsePolicyName,
  parseSubstitutions,
  type Substitution,
} from "./label/file-contexts.ts";
export { type LabelOptions, labelTree, removeLabels, SELINUX_XATTR } from "./label/label-tree.ts";
export { type LabelDialect, LabelPolicy, type PolicyFiles } from "./label/policy.ts";
export { type LayerDirectory, type LayerEntry, type LayerHardlink, type LayerLeaf } from "./layer.ts";
export { DEFAULT_LIMITS, type TreeLimits } from "./limits.ts";
export { LayerMerge, mergeLayers, type MergeOptions, mergeTrees } from "./merge/merge.ts";
export { OstreeExtFilter, type OstreeExtFilterOptions } from "./merge/ostree-ext.ts";
export { composefsRsRules, type MergeRules, ostreeExtRules, overlayRules } from "./merge/rules.ts";
export { OPAQUE_NAME, WHITEOUT_PREFIX, whiteoutTarget } from "./merge/whiteout.ts";
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
export { countLinks, WalkEntry, walkInodes, type WalkOptions, walkTree } from "./walk.ts";
export { Xattrs } from "./xattrs.ts";
