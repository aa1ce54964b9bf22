import { type ByteString, displayName, throwIfAborted } from "@bootc-store/core";
import { Directory, EPOCH, file, type Leaf, type Metadata, symlink, type Tree } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { FileInfo } from "../format/file-info.ts";
import type { Repo } from "../repo/repo.ts";

/** Where the objects of a tree are read: a repository, or one with what a transaction has written. */
export type TreeObjects = Pick<Repo, "readCommit" | "readDirtree" | "readDirmeta" | "openFile">;

/** Directories in one another, more than any path can have. */
const MAX_DEPTH = 2048;

/**
 * The tree of a commit. A file's content is known by the checksum of its object; ostree keeps no times, so all are the
 * epoch, and no hard links, so every name is a file of its own. Throws `ostree/object-not-found` and others.
 */
export function treeOfCommit(repo: TreeObjects, commit: Checksum, signal?: AbortSignal): Tree {
  const { tree, meta } = repo.readCommit(commit);
  return { root: new CommitTree(repo, signal).directory(tree, meta, 0) };
}

class CommitTree {
  readonly #repo: TreeObjects;
  readonly #signal: AbortSignal | undefined;
  readonly #metas = new Map<Checksum, Metadata>();
  /** Each object is opened once, however many names it has. */
  readonly #leaves = new Map<Checksum, Leaf>();

  constructor(repo: TreeObjects, signal: AbortSignal | undefined) {
    this.#repo = repo;
    this.#signal = signal;
  }

  directory(tree: Checksum, meta: Checksum, depth: number): Directory {
    throwIfAborted(this.#signal);
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `${tree}: too many directories in one another`);
    const { files, dirs } = this.#repo.readDirtree(tree);
    const made = new Directory(this.#meta(meta));
    for (const [name, checksum] of files) made.set(name, this.#leaf(checksum));
    for (const [name, dir] of dirs) made.set(name, this.directory(dir.tree, dir.meta, depth + 1));
    return made;
  }

  #meta(checksum: Checksum): Metadata {
    let metadata = this.#metas.get(checksum);
    if (metadata === undefined) {
      metadata = metadataOf(this.#repo.readDirmeta(checksum));
      this.#metas.set(checksum, metadata);
    }
    return metadata;
  }

  #leaf(checksum: Checksum): Leaf {
    const known = this.#leaves.get(checksum);
    // The same object again, but another file: what is shared is the value.
    if (known !== undefined) return { ...known };
    using object = this.#repo.openFile(checksum);
    const metadata = metadataOf(object.info);
    const { target } = object.info;
    const leaf =
      target === undefined
        ? file(metadata, object.size, { kind: "external", key: checksum })
        : symlink(metadata, checked(target, checksum));
    this.#leaves.set(checksum, leaf);
    return leaf;
  }
}

function checked(target: ByteString, checksum: Checksum): ByteString {
  if (target === "")
    throw ostreeErrors.error("object-invalid", `${displayName(checksum as ByteString)}.file: an empty link`);
  return target;
}

function metadataOf({ mode, uid, gid, xattrs }: FileInfo): Metadata {
  return { mode, uid, gid, mtime: EPOCH, xattrs };
}
