import { type ByteString, utf8 } from "@bootc-store/core";

/**
 * How the layers of an image become one tree. The image specification leaves much open and the real tools
 * disagree, so the rules are a value: three sets are given, and a set of one's own is a copy with some
 * fields changed.
 */
export interface MergeRules {
  readonly name: string;
  /**
   * `staged`: the entries of a layer make a tree of their own, which is laid over what is below when the layer
   * ends. `direct`: each entry acts on the merged tree at once.
   */
  readonly entries: "staged" | "direct";
  /** `..` in a path: an error, or taken away with the component before it, by text. */
  readonly dotdot: "refuse" | "resolve";
  /** An entry for the root: sets its metadata, or does nothing. */
  readonly rootEntry: "apply" | "ignore";
  /**
   * A parent directory that no entry gave: an error; made with the default metadata; or, `reset`, made 0755 with
   * the owner of the entry, and every directory above it is given the same metadata.
   */
  readonly missingParents: "refuse" | "create" | "reset";
  /** A symlink in the place of a parent directory: an error, or followed within the layer. */
  readonly symlinkParents: "refuse" | "follow";
  /** A directory in the place of another inode of the same layer, or the reverse: replaced, or an error. */
  readonly replaceOtherKind: "replace" | "refuse";
  /** A second entry for a directory of one layer: whether attributes that it does not have stay. */
  readonly repeatedDirectory: "replace" | "add-xattrs";
  /**
   * When a hard link looks for its target: before it removes what its own name stood for, after that, or when the
   * layer has ended. Directly applied links see lower layers, staged ones their own layer only.
   */
  readonly hardlinks: "before-removal" | "after-removal" | "at-end";
  /**
   * What an entry with the name of a whiteout does: removes at once (`apply`); becomes an overlay mark of the
   * layer's tree (`device`), which is an error over an earlier entry; or is kept for the end of the layer (`keep`).
   */
  readonly whiteoutEntries: "apply" | "device" | "keep";
  /**
   * What removes things when a tree is laid over another: character devices 0:0 and the opaque attribute, or
   * regular files with the names of whiteouts, or nothing.
   */
  readonly marks: "overlay" | "names" | "none";
  /** Whose metadata a directory has that is in both trees. */
  readonly directoryMetadata: "upper" | "lower";
  /** Whether an opaque mark on the root of a layer counts; the kernel does not look at it there. */
  readonly opaqueRoot: "honour" | "ignore";
  readonly times: "keep" | "drop";
  /** A relative symlink target that climbs out of the root, by its text. */
  readonly escapingTargets: "keep" | "refuse";
  /** Extended attributes of entries that are left out. */
  readonly ignoredXattrs: readonly ByteString[];
  /** Where the kernel keeps overlay's own attributes: `user.` for mounts with `userxattr`. */
  readonly overlayXattrs: "trusted.overlay." | "user.overlay.";
}

/**
 * As containers-storage unpacks layers for its overlay driver and the kernel shows them. Trees of diff
 * directories are merged as the kernel does.
 */
export const overlayRules: MergeRules = Object.freeze({
  name: "overlay",
  entries: "staged",
  dotdot: "resolve",
  rootEntry: "ignore",
  missingParents: "create",
  symlinkParents: "follow",
  replaceOtherKind: "replace",
  repeatedDirectory: "add-xattrs",
  hardlinks: "after-removal",
  whiteoutEntries: "device",
  marks: "overlay",
  directoryMetadata: "upper",
  opaqueRoot: "ignore",
  times: "keep",
  escapingTargets: "refuse",
  ignoredXattrs: [utf8("security.selinux")],
  overlayXattrs: "trusted.overlay.",
} as const);

/** As composefs-rs 0.9 makes the tree of an image from its layers, before any transform. */
export const composefsRsRules: MergeRules = Object.freeze({
  name: "composefs-rs",
  entries: "direct",
  dotdot: "refuse",
  rootEntry: "apply",
  missingParents: "refuse",
  symlinkParents: "refuse",
  replaceOtherKind: "replace",
  repeatedDirectory: "replace",
  hardlinks: "before-removal",
  whiteoutEntries: "apply",
  marks: "none",
  directoryMetadata: "upper",
  opaqueRoot: "honour",
  times: "keep",
  escapingTargets: "keep",
  ignoredXattrs: [],
  overlayXattrs: "trusted.overlay.",
} as const);

/**
 * As ostree-ext commits each layer by libostree's tar import and checks the commits out over one another. Feed it
 * entries through `ostreeExtEntries`, which moves and drops paths as its tar filter does.
 */
export const ostreeExtRules: MergeRules = Object.freeze({
  name: "ostree-ext",
  entries: "staged",
  dotdot: "refuse",
  rootEntry: "apply",
  missingParents: "reset",
  symlinkParents: "refuse",
  replaceOtherKind: "refuse",
  repeatedDirectory: "replace",
  hardlinks: "at-end",
  whiteoutEntries: "keep",
  marks: "names",
  directoryMetadata: "lower",
  opaqueRoot: "honour",
  times: "drop",
  escapingTargets: "keep",
  ignoredXattrs: [],
  overlayXattrs: "trusted.overlay.",
} as const);
