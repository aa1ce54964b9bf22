import { randomBytes } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import { type ByteString, displayName, isStoreError } from "@bootc-store/core";
import { cloneFile, copyContent, type Dir, fileKey, TEMP_PREFIX } from "@bootc-store/linux";
import { SELINUX_XATTR } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { contentPrefix, type FileInfo, isSymlink } from "../format/file-info.ts";
import type { RepoMode } from "../format/mode.ts";
import { sha256 } from "../format/checksum.ts";
import { readContent } from "../objects/content.ts";
import type { FileObject, ObjectReader } from "../objects/reader.ts";
import type { Overwrite } from "./options.ts";
import { UncompressedCache } from "./uncompressed-cache.ts";

export type HowCheckedOut = "linked" | "cloned" | "copied" | "kept";

/** The labels that a name gets by the policy: of a file, and of a symlink. */
export type Labels = readonly [file: ByteString | undefined, symlink: ByteString | undefined];

/** What a file's checkout needs to know; crosses to workers. */
export interface FileRules {
  readonly userMode: boolean;
  readonly overwrite: Overwrite;
  readonly forceCopy: boolean;
  readonly requireHardlinks: boolean;
  /** Whether a directory in the way of a file is removed, as whiteouts make it. */
  readonly replaceDirectories: boolean;
  /** Descriptor of an archive's cache of uncompressed objects, which files are linked to. */
  readonly cache?: number;
}

/** Compressed contents up to this many bytes are inflated at once. */
const IN_MEMORY = 1 << 22;

/**
 * Puts a content object under a name in an open directory. Throws `linux/exists` where the name is taken and may not be,
 * `ostree/hardlink-impossible` where a link is required and cannot be made.
 */
export async function checkoutFile(
  reader: ObjectReader,
  into: Dir,
  name: ByteString,
  checksum: Checksum,
  rules: FileRules,
  labels?: Labels,
): Promise<HowCheckedOut> {
  return (
    placeLink(reader, into, name, checksum, rules) ??
    (await placeFile(reader, into, name, checksum, rules, labels))
  );
}

/** The part of it that needs no copy; `undefined` where there has to be one. */
export function placeLink(
  reader: ObjectReader,
  into: Dir,
  name: ByteString,
  checksum: Checksum,
  rules: FileRules,
): HowCheckedOut | undefined {
  if (rules.overwrite === "add" && into.statOptional(name) !== undefined) return "kept";
  return rules.forceCopy ? undefined : tryLink(reader, into, name, checksum, rules);
}

/** The rest of it. */
export async function placeFile(
  reader: ObjectReader,
  into: Dir,
  name: ByteString,
  checksum: Checksum,
  rules: FileRules,
  labels?: Labels,
): Promise<HowCheckedOut> {
  using object = reader.openFile(checksum);
  if (rules.overwrite === "identical") {
    if (await sameFile(into, name, object, checksum, rules)) return "kept";
    if (into.statOptional(name) !== undefined) {
      throw ostreeErrors.error("file-exists", `Hardlinking ${checksum} to ${displayName(name)}: File exists`);
    }
  }
  makeRoom(into, name, rules);
  if (isSymlink(object.info)) {
    placeSymlink(into, name, withLabel(object.info, labels?.[1]), rules);
    return "copied";
  }
  if (rules.cache !== undefined && object.size > 0) {
    return await linkThroughCache(new UncompressedCache(rules.cache), into, name, checksum, object, rules);
  }
  const { info } = object;
  return await placeCopy(into, name, object, rules, withLabel(info, labels?.[0]));
}

/** An object's own label stays; the value is as ostree writes it to files, without the NUL byte of commits. */
export function withLabel(info: FileInfo, label: ByteString | undefined): FileInfo {
  if (label === undefined || info.xattrs.has(SELINUX_XATTR)) return info;
  return { ...info, xattrs: info.xattrs.with(SELINUX_XATTR, label) };
}

async function linkThroughCache(
  cache: UncompressedCache,
  into: Dir,
  name: ByteString,
  checksum: Checksum,
  object: FileObject,
  rules: FileRules,
): Promise<HowCheckedOut> {
  using shard = cache.shard(checksum);
  const cached = cache.nameOf(checksum);
  if (shard.statOptional(cached) === undefined) {
    try {
      await placeCopy(shard, cached, object, { ...rules, overwrite: "refuse" });
    } catch (error) {
      // Another checkout has just put it there.
      if (!isStoreError(error, "linux/exists")) throw error;
    }
  }
  try {
    const linked = link(shard, cached, into, name, rules);
    if (linked !== undefined) return linked;
  } catch (error) {
    // A checkout that was cleaning up took it for one that nobody has.
    if (!isStoreError(error, "linux/not-found")) throw error;
  }
  return await placeCopy(into, name, object, rules);
}

/** `undefined` where no link can be made and a copy will do. */
function tryLink(
  reader: ObjectReader,
  into: Dir,
  name: ByteString,
  checksum: Checksum,
  rules: FileRules,
): HowCheckedOut | undefined {
  if (!linkable(reader.mode, rules.userMode)) {
    if (rules.requireHardlinks) throw impossible(reader.mode, rules.userMode);
    return undefined;
  }
  const found = reader.findFile(checksum);
  if (found === undefined) return undefined;
  const { dir, name: object, stat } = found;
  if (stat.type === "regular" && stat.size === 0) return undefined;
  if (reader.mode !== "bare") {
    if (stat.type !== "regular") return undefined;
    if (reader.mode === "bare-user") {
      // A symlink is in a regular file here, and a file that its owner may not read is not what it seems.
      using opened = reader.openFile(checksum);
      if (isSymlink(opened.info) || (opened.info.mode & 0o400) === 0) return undefined;
    } else if ((stat.mode & 0o400) === 0) return undefined;
  }
  return link(dir, object, into, name, rules);
}

function link(
  dir: Dir,
  object: ByteString,
  into: Dir,
  name: ByteString,
  rules: FileRules,
): HowCheckedOut | undefined {
  try {
    dir.link(object, name, { to: into });
    return "linked";
  } catch (error) {
    if (isStoreError(error, "linux/exists")) {
      const there = into.statOptional(name);
      if (there !== undefined && fileKey(there) === fileKey(dir.stat(object))) return "kept";
      if (rules.overwrite === "union") {
        makeRoom(into, name, rules);
        const temporary = tempName();
        dir.link(object, temporary, { to: into });
        try {
          into.rename(temporary, name);
        } finally {
          into.removeOptional(temporary);
        }
        return "linked";
      }
      if (rules.overwrite === "identical") return undefined;
      throw error;
    }
    const refused = isStoreError(
      error,
      "linux/cross-device",
      "linux/too-many-links",
      "linux/permission-denied",
    );
    if (!refused || rules.requireHardlinks) throw error;
    return undefined;
  }
}

/** Whether objects of this mode are what a checkout has, so that a link will do. */
export function linkable(mode: RepoMode, userMode: boolean): boolean {
  if (mode === "bare") return !userMode;
  return (mode === "bare-user" || mode === "bare-user-only") && userMode;
}

function makeRoom(into: Dir, name: ByteString, rules: FileRules): void {
  if (rules.replaceDirectories && into.statOptional(name)?.type === "directory") into.removeAll(name);
}

function placeSymlink(into: Dir, name: ByteString, info: FileInfo, rules: FileRules): void {
  const replace = rules.overwrite === "union";
  const at = replace ? tempName() : name;
  into.symlink(info.target as ByteString, at);
  try {
    if (!rules.userMode) {
      into.setOwner(at, info.uid, info.gid);
      for (const [xattr, value] of info.xattrs) into.setXattr(at, xattr, Buffer.from(value, "latin1"));
    }
    if (replace) into.rename(at, name);
  } finally {
    if (replace) into.removeOptional(at);
  }
}

async function placeCopy(
  into: Dir,
  name: ByteString,
  object: FileObject,
  rules: FileRules,
  info = object.info,
): Promise<HowCheckedOut> {
  const { stored, size } = object;
  using temporary = into.tempFile();
  const { file } = temporary;
  let how: HowCheckedOut = "copied";
  if (stored.kind === "plain") {
    if (size > 0 && cloneFile(stored.file, file)) how = "cloned";
    else copyContent(stored.file, file);
  } else if (stored.kind === "deflate" && object.storedSize <= IN_MEMORY && size <= IN_MEMORY) {
    const compressed = Buffer.allocUnsafeSlow(object.storedSize - stored.offset);
    stored.file.readFull(compressed, stored.offset);
    file.write(inflate(compressed, size));
  } else for await (const piece of readContent(object)) file.write(piece);
  if (rules.userMode) {
    const bits = info.mode & 0o1777;
    file.setMode((bits & 0o400) === 0 ? bits | 0o400 : bits);
  } else {
    file.setOwner(info.uid, info.gid);
    for (const [xattr, value] of info.xattrs) file.setXattr(xattr, Buffer.from(value, "latin1"));
    file.setMode(info.mode & 0o7777);
  }
  temporary.publish(name, { existing: rules.overwrite === "union" ? "replace" : "fail", sync: "none" });
  return how;
}

function inflate(compressed: Uint8Array, size: number): Buffer {
  let data: Buffer;
  try {
    data = inflateRawSync(compressed, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw ostreeErrors.error("object-invalid", `damaged compressed data: ${(error as Error).message}`);
  }
  if (data.length === size) return data;
  throw ostreeErrors.error("object-invalid", `it holds ${data.length} bytes, and its header says ${size}`);
}

/** Whether what is there is what would be put there, owner and attributes included unless in user mode. */
async function sameFile(
  into: Dir,
  name: ByteString,
  object: FileObject,
  checksum: Checksum,
  rules: FileRules,
): Promise<boolean> {
  const there = into.statOptional(name);
  if (there === undefined) return false;
  const { info } = object;
  if (isSymlink(info)) return there.type === "symlink" && into.readLink(name) === info.target;
  if (there.type !== "regular" || there.size !== object.size) return false;
  const bytes = into.readFile(name);
  const found: FileInfo = rules.userMode
    ? info
    : { ...info, uid: there.uid, gid: there.gid, mode: there.mode };
  return sha256(contentPrefix(found), bytes) === checksum;
}

function impossible(mode: RepoMode, userMode: boolean): Error {
  const why =
    mode === "bare-user" && !userMode
      ? "User repository mode requires user checkout mode to hardlink"
      : "Bare repository mode cannot hardlink in user checkout mode";
  return ostreeErrors.error("hardlink-impossible", why);
}

function tempName(): ByteString {
  return `${TEMP_PREFIX}${randomBytes(9).toString("base64url")}` as ByteString;
}
