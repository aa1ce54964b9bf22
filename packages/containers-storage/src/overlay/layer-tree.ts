// A layer's diff directory as a tree: what is on disk, overlay's own marks included.

import { byteString, type ByteString, utf8 } from "@bootc-store/core";
import { type Dir, fileKey, type FileStat, type WalkEntry } from "@bootc-store/linux";
import {
  device,
  file,
  type Leaf,
  type Metadata,
  special,
  symlink,
  type Tree,
  TreeBuilder,
  Xattrs,
} from "@bootc-store/tree";

import { containersStorageErrors } from "../errors.ts";

export interface DiffTreeOptions {
  readonly signal?: AbortSignal;
  /** Put before each file's path, with a slash, to make the key of its content. */
  readonly prefix: string;
}

/** Reads the tree. Contents are references: the prefix and the path below `diff`. */
export function readDiffTree(diff: Dir, options: DiffTreeOptions): Tree {
  const own = diff.self();
  const rootMetadata = metadataOf(
    diff.statSelf(),
    own.listXattrs().map((name) => [name, byteString(own.getXattr(name))] as const),
  );
  const builder = new TreeBuilder({ rootMetadata });
  const links = new Map<string, Leaf>();
  for (const entry of diff.walk(options.signal === undefined ? {} : { signal: options.signal })) {
    const { dir, name, path } = entry;
    const stat = dir.stat(name);
    if (stat.type === "directory") {
      builder.addDirectory(path, metadataOf(stat, xattrsOf(dir, name)));
      continue;
    }
    const key = stat.nlink > 1 ? fileKey(stat) : undefined;
    const known = key === undefined ? undefined : links.get(key);
    const leaf = known ?? makeLeaf(entry, stat, options.prefix);
    if (key !== undefined) links.set(key, leaf);
    builder.addLeaf(path, leaf);
  }
  return builder.finish();
}

function makeLeaf({ dir, name, path }: WalkEntry, stat: FileStat, prefix: string): Leaf {
  const metadata = metadataOf(stat, xattrsOf(dir, name));
  switch (stat.type) {
    case "regular":
      return file(metadata, stat.size, { kind: "external", key: `${prefix}/${path}` });
    case "symlink":
      return symlink(metadata, dir.readLink(name));
    case "character":
    case "block":
      return device(stat.type === "character" ? "char" : "block", metadata, stat.rdev.major, stat.rdev.minor);
    case "fifo":
    case "socket":
      return special(stat.type, metadata);
    default:
      throw containersStorageErrors.error("layer-content-mismatch", `"${path}" is a file of no known kind`, {
        context: { path },
      });
  }
}

function metadataOf(stat: FileStat, xattrs: readonly (readonly [ByteString, ByteString])[]): Metadata {
  return {
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    mtime: { sec: stat.mtime.seconds, nsec: stat.mtime.nanoseconds },
    xattrs: xattrs.length === 0 ? Xattrs.empty : Xattrs.from(xattrs),
  };
}

const SELINUX = utf8("security.selinux");

/** Attributes but for the label, which belongs to the place and not to the layer. */
function xattrsOf(dir: Dir, name: ByteString): (readonly [ByteString, ByteString])[] {
  return dir
    .listXattrs(name)
    .filter((xattr) => xattr !== SELINUX)
    .map((xattr) => [xattr, byteString(dir.getXattr(name, xattr))] as const);
}
