import type { ByteString } from "@bootc-store/core";
import { S_IFMT, TYPE_BITS, Xattrs } from "@bootc-store/tree";

import type { FileInfo } from "../format/file-info.ts";

/** A change of a mode: bits that are added, or permission bits that take the place of what was there. */
export interface ModeOverride {
  readonly add?: number;
  readonly set?: number;
}

/** What is changed about files on their way into a commit. Paths begin with a slash; the root is `/`. */
export interface CommitModifier {
  readonly ownerUid?: number;
  readonly ownerGid?: number;
  /** Takes the write bits off files that have any execute bit. */
  readonly readOnlyExecutables?: boolean;
  /** Owner 0:0, and of the mode only what is in 0755. */
  readonly canonicalPermissions?: boolean;
  /** Leaves all extended attributes out. */
  readonly noXattrs?: boolean;
  readonly statOverrides?: ReadonlyMap<ByteString, ModeOverride>;
  /** Left out, with all that is below. */
  readonly skip?: ReadonlySet<ByteString>;
  /** The SELinux label of a path, which takes the place of any; `undefined` for none. */
  readonly label?: (path: ByteString, mode: number) => ByteString | undefined;
}

/** What applies to every file: a part of {@link CommitModifier} that crosses to workers. */
export interface PlainRules {
  readonly ownerUid: number | undefined;
  readonly ownerGid: number | undefined;
  readonly readOnlyExecutables: boolean;
  readonly canonicalPermissions: boolean;
  readonly noXattrs: boolean;
  /** Whether labels are given, so that a file's own is to go. */
  readonly labels: boolean;
}

export function plainRules(modifier: CommitModifier): PlainRules {
  return {
    ownerUid: modifier.ownerUid,
    ownerGid: modifier.ownerGid,
    readOnlyExecutables: modifier.readOnlyExecutables ?? false,
    canonicalPermissions: modifier.canonicalPermissions ?? false,
    noXattrs: modifier.noXattrs ?? false,
    labels: modifier.label !== undefined,
  };
}

const SELINUX = "security.selinux" as ByteString;

/** The metadata that goes into the commit. `override` and `label` are those of the file's path. */
export function applyRules(
  info: FileInfo,
  rules: PlainRules,
  override?: ModeOverride,
  label?: ByteString,
): FileInfo {
  let { uid, gid, mode } = info;
  uid = rules.ownerUid ?? uid;
  gid = rules.ownerGid ?? gid;
  const type = mode & S_IFMT;
  if (rules.readOnlyExecutables && type === TYPE_BITS.file && (mode & 0o111) !== 0) mode &= ~0o222;
  if (override?.set !== undefined) mode = type | (override.set & 0o7777);
  if (override?.add !== undefined) mode |= override.add & 0o7777;
  if (rules.canonicalPermissions) {
    uid = 0;
    gid = 0;
    if (type !== TYPE_BITS.symlink) mode &= S_IFMT | 0o755;
  }
  let xattrs = rules.noXattrs ? Xattrs.empty : info.xattrs;
  if (rules.labels) xattrs = label === undefined ? xattrs.without(SELINUX) : xattrs.with(SELINUX, label);
  return { ...info, uid, gid, mode, xattrs };
}

export function sameInfo(a: FileInfo, b: FileInfo): boolean {
  return (
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mode === b.mode &&
    a.xattrs.equals(b.xattrs) &&
    a.target === b.target
  );
}
