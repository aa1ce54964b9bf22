import { type ByteString, displayName } from "@bootc-store/core";

import { EMPTY_CONTENT, type FileContent } from "./content.ts";
import type { Directory } from "./directory.ts";
import { treeErrors } from "./errors.ts";
import { checkMetadata, type Metadata } from "./metadata.ts";

// A leaf is an inode that is no directory. Its identity is its object: hard links are one object under
// several names, so the link count is a matter of the tree and not a field. The fields change only
// through the functions below, which keep type and metadata in agreement.

export type Leaf = File | Symlink | Device | Special;

/** Anything that a name can stand for. */
export type Inode = Directory | Leaf;

/** A regular file. */
export interface File {
  readonly kind: "file";
  readonly metadata: Metadata;
  /** Bytes of the content. */
  readonly size: number;
  readonly content: FileContent;
}

export interface Symlink {
  readonly kind: "symlink";
  readonly metadata: Metadata;
  readonly target: ByteString;
}

/** A character or block device. */
export interface Device {
  readonly kind: "char" | "block";
  readonly metadata: Metadata;
  readonly major: number;
  readonly minor: number;
}

/** A named pipe or a socket: nothing but metadata. */
export interface Special {
  readonly kind: "fifo" | "socket";
  readonly metadata: Metadata;
}

/** A regular file; the content of an empty one is always {@link EMPTY_CONTENT}. Throws `tree/content-invalid`. */
export function file(metadata: Metadata, size: number, content: FileContent): File {
  checkMetadata("file", metadata);
  checkContent(size, content);
  return { kind: "file", metadata, size, content: size === 0 ? EMPTY_CONTENT : content };
}

/** A regular file of these bytes. The bytes are kept, not copied. */
export function inlineFile(metadata: Metadata, bytes: Uint8Array): File {
  return file(metadata, bytes.length, { kind: "inline", bytes });
}

/** A symlink. Throws `tree/target-invalid`; the target's length is the builder's to limit. */
export function symlink(metadata: Metadata, target: ByteString): Symlink {
  checkMetadata("symlink", metadata);
  if (target.length === 0 || target.includes("\0")) {
    throw treeErrors.error("target-invalid", `not a symlink's target: "${displayName(target)}"`);
  }
  return { kind: "symlink", metadata, target };
}

/** A device with the kernel's 12-bit major and 20-bit minor number. */
export function device(kind: "char" | "block", metadata: Metadata, major: number, minor: number): Device {
  checkMetadata(kind, metadata);
  if (!(Number.isInteger(major) && major >= 0 && major <= 0xfff)) {
    throw treeErrors.error("metadata-invalid", `not a major device number: ${major}`);
  }
  if (!(Number.isInteger(minor) && minor >= 0 && minor <= 0xf_ffff)) {
    throw treeErrors.error("metadata-invalid", `not a minor device number: ${minor}`);
  }
  return { kind, metadata, major, minor };
}

export function special(kind: "fifo" | "socket", metadata: Metadata): Special {
  checkMetadata(kind, metadata);
  return { kind, metadata };
}

/** Whether this is how overlay file systems mark a removed name: a character device 0:0. */
export function isOverlayWhiteout(inode: Inode): inode is Device {
  return inode.kind === "char" && inode.major === 0 && inode.minor === 0;
}

/** Gives an inode other metadata of the same type. All names of a hard-linked leaf see it. */
export function setMetadata(inode: Inode, metadata: Metadata): void {
  checkMetadata(inode.kind, metadata);
  if (inode.kind === "directory") inode.metadata = metadata;
  else writable<Leaf>(inode).metadata = metadata;
}

/** Gives a file other content, for instance a reference into another store. */
export function setContent(target: File, size: number, content: FileContent): void {
  checkContent(size, content);
  const changed = writable<File>(target);
  changed.size = size;
  changed.content = size === 0 ? EMPTY_CONTENT : content;
}

function checkContent(size: number, content: FileContent): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw treeErrors.error("content-invalid", `not a file size: ${size}`);
  }
  if (content.kind === "inline" && content.bytes.length !== size) {
    throw treeErrors.error(
      "content-invalid",
      `a file of ${size} bytes has ${content.bytes.length} bytes of content`,
    );
  }
}

function writable<T extends Leaf>(leaf: T): { -readonly [K in keyof T]: T[K] } {
  if (Object.isFrozen(leaf)) throw treeErrors.error("frozen", "this tree is frozen");
  return leaf;
}
