import { toHex } from "@bootc-store/core";
import {
  device,
  Directory,
  EMPTY_CONTENT,
  type File,
  file,
  type FileContent,
  type Leaf,
  type Metadata,
  special,
  symlink,
  type Tree,
  XattrPool,
  Xattrs,
} from "@bootc-store/tree";

import { erofsErrors } from "../errors.ts";
import { splitDevice } from "./from-tree.ts";
import {
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  sortedChildren,
  typeOf,
} from "./node.ts";

/**
 * The tree of an image or a dump file. External files have the path of their object as key. Throws `erofs/image-limit`
 * for times and sizes that a tree does not hold, and the errors of the tree.
 */
export function treeOfImage(root: ImageDirectory): Tree {
  const pool = new XattrPool();
  const leaves = new Map<ImageNode, Leaf>();
  const top = new Directory(metadataOf(root, pool));
  const stack: [ImageDirectory, Directory][] = [[root, top]];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    const [from, to] = pair;
    for (const [name, { node }] of sortedChildren(from)) {
      if (isDirectory(node)) {
        const directory = new Directory(metadataOf(node, pool));
        to.add(name, directory);
        stack.push([node, directory]);
      } else {
        const leaf = leaves.get(node) ?? leafOf(node, metadataOf(node, pool));
        leaves.set(node, leaf);
        to.add(name, leaf);
      }
    }
  }
  return { root: top };
}

function metadataOf(node: ImageNode, pool: XattrPool): Metadata {
  const { mode, uid, gid, mtime } = node;
  const xattrs = pool.share(Xattrs.from(node.xattrs));
  return { mode, uid, gid, mtime: { sec: safe(mtime.sec, "time"), nsec: mtime.nsec }, xattrs };
}

function leafOf(node: ImageNode, metadata: Metadata): Leaf {
  switch (typeOf(node)) {
    case S_IFREG:
      return fileOf(node, metadata);
    case S_IFLNK:
      return symlink(metadata, node.target ?? ("" as NonNullable<ImageNode["target"]>));
    case S_IFCHR:
    case S_IFBLK: {
      const { major, minor } = splitDevice(node.rdev);
      return device(typeOf(node) === S_IFCHR ? "char" : "block", metadata, major, minor);
    }
    case S_IFIFO:
      return special("fifo", metadata);
    case S_IFSOCK:
      return special("socket", metadata);
    default:
      throw erofsErrors.error(
        "image-invalid",
        `an inode has the mode 0${node.mode.toString(8)}, which is of no type`,
      );
  }
}

function fileOf(node: ImageNode, metadata: Metadata): File {
  const size = safe(node.size, "size");
  return file(metadata, size, contentOf(node));
}

function contentOf({ content, external }: ImageNode): FileContent {
  if (content !== undefined) return { kind: "inline", bytes: content };
  if (external === undefined) return EMPTY_CONTENT;
  const { payload, digest } = external;
  if (payload === undefined && digest === undefined) return { kind: "sparse" };
  const algorithm = digest?.length === 64 ? "sha512" : "sha256";
  const hex = digest === undefined ? undefined : toHex(digest);
  const key = payload ?? `${(hex ?? "").slice(0, 2)}/${(hex ?? "").slice(2)}`;
  return { kind: "external", key, ...(hex === undefined ? {} : { verity: { algorithm, hex } }) };
}

function safe(value: bigint, what: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw erofsErrors.error("image-limit", `a file has the ${what} ${value}, which is out of range`);
}
