// A directory of the host as the tree of an image: everything but the content of its files.

import { type ByteString, byteString, throwIfAborted, utf8 } from "@bootc-store/core";
import {
  type ExternalFile,
  type ImageChild,
  type ImageDirectory,
  makeDevice,
  type XattrPair,
} from "@bootc-store/erofs";
import { type Dir, fileKey, type FileStat } from "@bootc-store/linux";

import { composefsErrors } from "../errors.ts";

export interface ScanOptions {
  /** Which extended attributes are taken: `all` (the default), those of `user.`, or none. */
  readonly xattrs?: "all" | "user" | "none";
  /** False leaves device nodes out. Default true. */
  readonly devices?: boolean;
  /** True makes every modification time 1970-01-01. Default false. */
  readonly zeroTimes?: boolean;
  /**
   * Names of one inode: `one` file with several names (the default), or as `mkcomposefs` has it, a file each.
   */
  readonly hardLinks?: "one" | "each";
  readonly signal?: AbortSignal;
}

/** A node whose content is filled in later. */
export interface ScannedNode {
  readonly mode: number;
  nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: bigint;
  readonly mtime: { readonly sec: bigint; readonly nsec: number };
  readonly xattrs: readonly XattrPair[];
  content?: Uint8Array;
  external?: ExternalFile;
  readonly target?: ByteString;
  readonly children?: Map<ByteString, ImageChild>;
}

/** A regular file that is not empty. */
export interface ScannedFile {
  /** Relative to the directory that was scanned. */
  readonly path: ByteString;
  readonly size: number;
  readonly node: ScannedNode;
}

/** The node of the directory itself, without what is in it. */
export function scanTop(dir: Dir, options: ScanOptions): ScannedNode & ImageDirectory {
  const self = dir.self();
  const xattrs = readXattrs(
    options,
    () => self.listXattrs(),
    (name) => self.getXattrOptional(name),
    dir.labelOf(utf8(".")),
  );
  return { ...nodeOf(dir.statSelf(), xattrs, options), nlink: 2, children: new Map() };
}

/**
 * Fills in everything below `top`, in byte order, links not followed, and yields the files whose content is still to be
 * looked at. Throws the errors of the file system, and `composefs/attributes-too-large`.
 */
export function* scanBelow(dir: Dir, top: ImageDirectory, options: ScanOptions): Generator<ScannedFile> {
  const levels: ImageDirectory[] = [top];
  const seen = new Map<string, ScannedNode>();
  for (const entry of dir.walk()) {
    throwIfAborted(options.signal);
    const { name, path } = entry;
    const parent = levels[entry.depth - 1];
    if (parent === undefined) throw new RangeError(`walk skipped a level at ${path}`);
    if (options.devices === false && (entry.type === "character" || entry.type === "block")) continue;
    const stat = entry.dir.stat(name);
    if ((entry.type === "directory") !== (stat.type === "directory")) {
      const label = entry.dir.labelOf(name);
      throw composefsErrors.error(
        "source-changed",
        `${label}: became something else while it was looked at`,
        {
          context: { path: label },
        },
      );
    }
    const key =
      options.hardLinks !== "each" && stat.nlink > 1 && stat.type !== "directory" ? fileKey(stat) : undefined;
    const known = key === undefined ? undefined : seen.get(key);
    if (known !== undefined) {
      known.nlink++;
      parent.children.set(name, { node: known, alias: true });
      continue;
    }
    const xattrs = readXattrs(
      options,
      () => entry.dir.listXattrs(name),
      (xattr) => entry.dir.getXattrOptional(name, xattr),
      entry.dir.labelOf(name),
    );
    const base = nodeOf(stat, xattrs, options);
    if (stat.type === "directory") {
      const node = { ...base, nlink: 2, children: new Map<ByteString, ImageChild>() };
      parent.children.set(name, { node, alias: false });
      levels.length = entry.depth;
      levels.push(node);
      continue;
    }
    const node: ScannedNode = stat.type === "symlink" ? withTarget(base, entry.dir.readLink(name)) : base;
    if (key !== undefined) seen.set(key, node);
    parent.children.set(name, { node, alias: false });
    if (stat.type === "regular" && stat.size > 0) yield { path, size: stat.size, node };
  }
}

function withTarget(node: ScannedNode, target: ByteString): ScannedNode {
  return { ...node, size: BigInt(target.length), target };
}

function nodeOf(stat: FileStat, xattrs: readonly XattrPair[], options: ScanOptions): ScannedNode {
  const device = stat.type === "character" || stat.type === "block";
  return {
    mode: stat.mode,
    nlink: 1,
    uid: stat.uid,
    gid: stat.gid,
    rdev: device ? makeDevice(stat.rdev.major, stat.rdev.minor) : 0,
    size: BigInt(stat.size),
    mtime:
      options.zeroTimes === true
        ? { sec: 0n, nsec: 0 }
        : { sec: BigInt(stat.mtime.seconds), nsec: stat.mtime.nanoseconds },
    xattrs,
  };
}

/** The attributes of an inode take at most so many bytes in an image, each counted with what it needs besides. */
const MAX_XATTRS = 32_767;
const NO_XATTRS: readonly XattrPair[] = [];

function readXattrs(
  { xattrs: wanted = "all" }: ScanOptions,
  list: () => ByteString[],
  get: (name: ByteString) => Buffer | undefined,
  label: string,
): readonly XattrPair[] {
  if (wanted === "none") return NO_XATTRS;
  let names = list();
  if (wanted === "user") names = names.filter((name) => name.startsWith("user."));
  if (names.length === 0) return NO_XATTRS;
  const pairs: XattrPair[] = [];
  let total = 12;
  for (const name of names) {
    const value = get(name);
    // Removed between the two calls.
    if (value === undefined) continue;
    pairs.push([name, byteString(value)]);
    total += 7 + name.length + value.length;
  }
  if (total > MAX_XATTRS) {
    throw composefsErrors.error(
      "attributes-too-large",
      `${label}: its extended attributes do not fit into an image`,
      {
        context: { path: label, limit: MAX_XATTRS },
      },
    );
  }
  return pairs;
}
