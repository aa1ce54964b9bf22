import type { ByteString } from "@bootc-store/core";
import { S_IFMT } from "@bootc-store/tree";

// What an image or a dump file says of a file, field by field. It is closer to the formats than a tree: it has the
// link count that was written there and not the one that follows from the names, which of a file's names is the
// inode's own place, and numbers of 64 bits.

/** Name and value of an extended attribute. */
export type XattrPair = readonly [name: ByteString, value: ByteString];

export interface ImageNode {
  /** 16 bits, the type bits included. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** The kernel's 32-bit device number; 0 where there is none. */
  readonly rdev: number;
  /** As recorded; of directories, devices and pipes it says nothing. */
  readonly size: bigint;
  readonly mtime: { readonly sec: bigint; readonly nsec: number };
  readonly xattrs: readonly XattrPair[];
  /** A regular file's bytes, where they are in the image; absent for empty files. */
  readonly content?: Uint8Array;
  /** That a regular file's bytes are elsewhere, and what is known of it. */
  readonly external?: ExternalFile;
  /** A symlink's. */
  readonly target?: ByteString;
  /** A directory's, in no order. */
  readonly children?: Map<ByteString, ImageChild>;
}

export interface ExternalFile {
  /** Path below the object store. */
  readonly payload?: ByteString;
  /** The fs-verity digest: 32 bytes of SHA-256 or 64 of SHA-512. */
  readonly digest?: Uint8Array;
}

export interface ImageChild {
  readonly node: ImageNode;
  /** True for a name whose inode has its place at another one. */
  readonly alias: boolean;
}

export interface ImageDirectory extends ImageNode {
  readonly children: Map<ByteString, ImageChild>;
}

export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

export function typeOf(node: Pick<ImageNode, "mode">): number {
  return node.mode & S_IFMT;
}

export function isDirectory(node: ImageNode): node is ImageDirectory {
  return node.children !== undefined;
}

/** A character device 0:0: overlay's mark of a removed name. */
export function isWhiteout(node: ImageNode): boolean {
  return typeOf(node) === S_IFCHR && node.rdev === 0;
}

/** Names and children in byte order. */
export function sortedChildren(node: ImageDirectory): (readonly [ByteString, ImageChild])[] {
  return [...node.children].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}
