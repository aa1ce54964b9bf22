import type { ByteString } from "@bootc-store/core";
import { S_IFMT, TYPE_BITS, Xattrs } from "@bootc-store/tree";

import type { FileInfo } from "../format/file-info.ts";
import type { RepoConfig } from "../repo/config.ts";
import type { LabelRule } from "../selinux/policy.ts";

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
  /** Owner 0:0, of the mode only what is in 0755, and no extended attributes. */
  readonly canonicalPermissions?: boolean;
  /** Leaves all extended attributes out. */
  readonly noXattrs?: boolean;
  readonly statOverrides?: ReadonlyMap<ByteString, ModeOverride>;
  /** Left out, with all that is below. */
  readonly skip?: ReadonlySet<ByteString>;
  /** The SELinux label of a path, which takes the place of its own; `undefined` leaves that as it is. */
  readonly label?: LabelRule;
}

/** What applies to every file: a part of {@link CommitModifier} that crosses to workers. */
export interface PlainRules {
  readonly ownerUid: number | undefined;
  readonly ownerGid: number | undefined;
  readonly readOnlyExecutables: boolean;
  readonly canonicalPermissions: boolean;
  readonly noXattrs: boolean;
  /** Whether labels are given and can be stored. */
  readonly labels: boolean;
}

/** What applies to files that come into a repository from elsewhere. */
export function rulesFor(modifier: CommitModifier, config: RepoConfig): PlainRules {
  const only = config.mode === "bare-user-only";
  const rules = plainRules(modifier);
  return {
    ...rules,
    canonicalPermissions: rules.canonicalPermissions || only,
    noXattrs: rules.noXattrs || only || config.disableXattrs,
    labels: rules.labels && storesXattrs(config),
  };
}

/** Whether a content object of the repository keeps its attributes. */
export function storesXattrs({ mode, disableXattrs }: RepoConfig): boolean {
  return mode !== "bare-user-only" && !disableXattrs;
}

export function plainRules(modifier: CommitModifier): PlainRules {
  return {
    ownerUid: modifier.ownerUid,
    ownerGid: modifier.ownerGid,
    readOnlyExecutables: modifier.readOnlyExecutables ?? false,
    canonicalPermissions: modifier.canonicalPermissions ?? false,
    noXattrs: modifier.noXattrs === true || modifier.canonicalPermissions === true,
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
  if (rules.labels && label !== undefined) xattrs = xattrs.with(SELINUX, `${label}\0` as ByteString);
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
