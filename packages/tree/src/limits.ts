/** Bounds on what a tree may hold. Each is refused with `tree/limit-exceeded` or the error of the field. */
export interface TreeLimits {
  /** Names in the whole tree, hard links counted each. */
  readonly entries: number;
  /** Components of the deepest path. */
  readonly depth: number;
  /** Bytes of one name. */
  readonly nameLength: number;
  /** Bytes of a symlink's target. */
  readonly targetLength: number;
  /** Bytes of one extended attribute's name. */
  readonly xattrNameLength: number;
  /** Bytes of one extended attribute's value. */
  readonly xattrValueLength: number;
  /** Names and values of one inode's extended attributes together. */
  readonly xattrsLength: number;
}

/** What Linux allows (NAME_MAX, PATH_MAX - 1, XATTR_NAME_MAX, XATTR_SIZE_MAX), and for the rest far more than images have. */
export const DEFAULT_LIMITS: TreeLimits = Object.freeze({
  entries: 8_000_000,
  depth: 4096,
  nameLength: 255,
  targetLength: 4095,
  xattrNameLength: 255,
  xattrValueLength: 65_536,
  xattrsLength: 1_048_576,
});
