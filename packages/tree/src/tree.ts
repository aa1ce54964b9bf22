import type { ByteString } from "@bootc-store/core";

import { Directory } from "./directory.ts";
import { treeErrors } from "./errors.ts";
import type { Inode } from "./leaf.ts";
import { type Metadata, metadataOf } from "./metadata.ts";
import { joinPath, shown, splitPath } from "./name.ts";

/** A file-system tree. The root is a directory without a name. */
export interface Tree {
  readonly root: Directory;
}

/** A tree that has only a root: by default 0755, owned by root, of 1970. */
export function emptyTree(metadata: Metadata = metadataOf("directory")): Tree {
  return { root: new Directory(metadata) };
}

/**
 * What a path names, without following symlinks. Throws `tree/path-not-found`, `tree/path-not-directory`
 * (a symlink in the middle is none), `tree/path-invalid`.
 */
export function lookup(tree: Tree, path: ByteString): Inode {
  let inode: Inode = tree.root;
  const parts = splitPath(path);
  for (const [at, part] of parts.entries()) {
    if (inode.kind !== "directory") {
      throw treeErrors.error(
        "path-not-directory",
        `"${shown(joinPath(parts.slice(0, at)))}" is a ${inode.kind}`,
      );
    }
    const next: Inode | undefined = inode.get(part);
    if (next === undefined) {
      throw treeErrors.error("path-not-found", `"${shown(joinPath(parts.slice(0, at + 1)))}" does not exist`);
    }
    inode = next;
  }
  return inode;
}

/** {@link lookup}, with `undefined` where something is missing or is no directory. */
export function lookupOptional(tree: Tree, path: ByteString): Inode | undefined {
  let inode: Inode | undefined = tree.root;
  for (const part of splitPath(path)) {
    inode = inode?.kind === "directory" ? inode.get(part) : undefined;
  }
  return inode;
}
