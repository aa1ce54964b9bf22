// What a checkout does about one directory, whichever thread it is on.

import { type ByteString, displayName } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { TYPE_BITS } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { Dirtree } from "../format/dirtree.ts";
import type { FileInfo } from "../format/file-info.ts";
import type { ObjectReader } from "../objects/reader.ts";
import { type FileRules, withLabel } from "./file.ts";

/** What goes for all directories of a checkout; crosses to workers. */
export interface DirectoryRules {
  readonly whiteouts: boolean;
  readonly passthroughWhiteouts: boolean;
  /** Masks modes by 0775. */
  readonly groupModes: boolean;
  readonly skip: ReadonlySet<ByteString> | undefined;
}

/** Deeper than any path can be. */
export const MAX_DEPTH = 2048;

const DOCKER = ".wh.";
const OPAQUE = ".wh..wh..opq";
const PASSTHROUGH = ".ostree-wh.";

/** Makes a directory or takes the one that is there; true if it was made. Whiteouts want to know what will be in it. */
export function enterDir(
  parent: Dir,
  name: ByteString,
  tree: Dirtree | undefined,
  files: FileRules,
  rules: DirectoryRules,
): boolean {
  if (rules.whiteouts) {
    const type = parent.statOptional(name)?.type;
    if (type !== undefined && (type !== "directory" || tree?.files.has(OPAQUE as ByteString) === true))
      parent.removeAll(name);
  }
  if (files.overwrite === "refuse") {
    parent.makeDir(name, 0o700);
    return true;
  }
  return parent.ensureDir(name, { mode: 0o700 }) === "created";
}

/** The path of a name below the destination. */
export function pathBelow(path: ByteString | "", name: ByteString): ByteString {
  return path === "" ? name : (`${path}/${name}` as ByteString);
}

export function isSkipped(rules: DirectoryRules, path: ByteString): boolean {
  return rules.skip !== undefined && rules.skip.has(`/${path}` as ByteString);
}

/** Does what whiteouts among the names ask for, and gives the files that are to be placed. */
export function takeMarks(
  into: Dir,
  path: ByteString | "",
  tree: Dirtree,
  rules: DirectoryRules,
  passThrough: (name: ByteString, checksum: Checksum) => void,
): Iterable<readonly [ByteString, Checksum]> {
  if (!rules.whiteouts && !rules.passthroughWhiteouts && rules.skip === undefined) return tree.files;
  const files: (readonly [ByteString, Checksum])[] = [];
  for (const file of tree.files) {
    const [name, checksum] = file;
    if (isSkipped(rules, pathBelow(path, name))) continue;
    if (rules.whiteouts && name.startsWith(DOCKER)) whiteout(into, name);
    else if (rules.passthroughWhiteouts && name.startsWith(PASSTHROUGH)) passThrough(name, checksum);
    else files.push(file);
  }
  return files;
}

function whiteout(into: Dir, name: ByteString): void {
  if (name === OPAQUE) return;
  const target = name.slice(DOCKER.length) as ByteString;
  if (target === "") throw ostreeErrors.error("whiteout-invalid", "Invalid empty whiteout ''");
  if (target === "." || target === "..") {
    throw ostreeErrors.error("whiteout-invalid", `Invalid whiteout '${displayName(target)}'`);
  }
  into.removeAll(target);
}

/** Places a character device 0:0 for a mark of that. */
export function placeWhiteout(
  reader: ObjectReader,
  into: Dir,
  name: ByteString,
  checksum: Checksum,
  userMode: boolean,
  labelOf: (target: ByteString, mode: number) => ByteString | undefined,
): void {
  const target = name.slice(PASSTHROUGH.length) as ByteString;
  if (target === "" || target === "." || target === "..") {
    throw ostreeErrors.error("whiteout-invalid", "Invalid empty whiteout ''");
  }
  using object = reader.openFile(checksum);
  const info = withLabel(object.info, labelOf(target, TYPE_BITS.char));
  into.mknod(target, "character", { mode: 0o600, device: { major: 0, minor: 0 } });
  if (!userMode) {
    into.setOwner(target, info.uid, info.gid);
    for (const [xattr, value] of info.xattrs) into.setXattr(target, xattr, Buffer.from(value, "latin1"));
  }
  into.setMode(target, info.mode & 0o7777);
}

/** Owner, attributes, mode and time of a directory that was made, when all is in it. */
export function finishDir(dir: Dir, info: FileInfo, files: FileRules, rules: DirectoryRules): void {
  const self = dir.self();
  if (!files.userMode) {
    for (const [xattr, value] of info.xattrs) self.setXattr(xattr, Buffer.from(value, "latin1"));
    self.setOwner(info.uid, info.gid);
  }
  self.setMode(info.mode & (rules.groupModes ? 0o775 : 0o7777));
  if (!files.forceCopy) self.setTimes({ mtime: { seconds: 0, nanoseconds: 0 } });
}
