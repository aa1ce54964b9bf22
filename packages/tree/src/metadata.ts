import { treeErrors } from "./errors.ts";
import { type InodeKind, kindOfMode, modeOf } from "./mode.ts";
import { Xattrs } from "./xattrs.ts";

/** A point in time: seconds since 1970, negative before it, and 0 to 999,999,999 nanoseconds after that second. */
export interface Time {
  readonly sec: number;
  readonly nsec: number;
}

/** The beginning of 1970. */
export const EPOCH: Time = Object.freeze({ sec: 0, nsec: 0 });

/** What an inode is besides its content. A value: to change an inode, give it another one. */
export interface Metadata {
  /** 16 bits, the type bits included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly xattrs: Xattrs;
}

/** What {@link metadataOf} may be told. */
export interface MetadataInit {
  /** Twelve permission bits; by default 0755 for directories, 0777 for symlinks, else 0644. */
  readonly permissions?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: Time;
  readonly xattrs?: Xattrs;
}

/** Metadata of an inode of this kind, with root as owner, the epoch as time and no attributes unless given. */
export function metadataOf(kind: InodeKind, init: MetadataInit = {}): Metadata {
  const usual = kind === "directory" ? 0o755 : kind === "symlink" ? 0o777 : 0o644;
  const metadata = {
    mode: modeOf(kind, init.permissions ?? usual),
    uid: init.uid ?? 0,
    gid: init.gid ?? 0,
    mtime: init.mtime ?? EPOCH,
    xattrs: init.xattrs ?? Xattrs.empty,
  };
  checkMetadata(kind, metadata);
  return metadata;
}

/** Throws `tree/metadata-invalid` unless an inode of this kind can have this metadata. */
export function checkMetadata(kind: InodeKind, metadata: Metadata): void {
  const { mode, uid, gid, mtime } = metadata;
  if (!isUint(mode, 0xffff) || kindOfMode(mode) !== kind) {
    throw treeErrors.error("metadata-invalid", `mode 0${mode.toString(8)} is not that of a ${kind}`);
  }
  if (!isUint(uid, 0xffff_ffff) || !isUint(gid, 0xffff_ffff)) {
    throw treeErrors.error("metadata-invalid", `not an owner and a group: ${uid}:${gid}`);
  }
  if (!Number.isSafeInteger(mtime.sec) || !isUint(mtime.nsec, 999_999_999)) {
    throw treeErrors.error("metadata-invalid", `not a time: ${mtime.sec} s and ${mtime.nsec} ns`);
  }
}

export function equalTimes(a: Time, b: Time): boolean {
  return a.sec === b.sec && a.nsec === b.nsec;
}

export function equalMetadata(a: Metadata, b: Metadata): boolean {
  if (a === b) return true;
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    equalTimes(a.mtime, b.mtime) &&
    a.xattrs.equals(b.xattrs)
  );
}

function isUint(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}
