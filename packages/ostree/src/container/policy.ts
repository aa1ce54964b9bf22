// What the tree of an image says of itself, and whether its root may have names that ostree does not know.

import { utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import type { File, Inode, Tree } from "@bootc-store/tree";

import { MAX_POLICY_FILE, type ReadPath, readText } from "../selinux/policy.ts";
import { ostreeErrors } from "../errors.ts";

/** What is at a path of a tree, links not followed. */
export function lookup(tree: Tree, path: string): Inode | undefined {
  let inode: Inode | undefined = tree.root;
  for (const part of path.split("/")) {
    if (inode?.kind !== "directory") return undefined;
    inode = inode.get(utf8(part));
  }
  return inode;
}

/** Reads from a tree. */
export function treeReader(tree: Tree, read: (file: File) => Promise<Uint8Array>): ReadPath {
  return async (path) => {
    const inode = lookup(tree, path);
    if (inode?.kind !== "file") return undefined;
    if (inode.size > MAX_POLICY_FILE) {
      throw ostreeErrors.error("image-document-invalid", `${path} has ${inode.size} bytes`, {
        context: { path },
      });
    }
    return await read(inode);
  };
}

const COMPOSEFS_ON = new Set(["yes", "true", "1", "maybe", "verity", "signed"]);

/** Whether the root of a system with this base is not that of its commit, so that every name may be in it. */
export async function allowsNonUsr(read: ReadPath): Promise<boolean> {
  for (const top of ["etc", "usr/lib"]) {
    const text = await readText(read, `${top}/ostree/prepare-root.conf`);
    if (text === undefined) continue;
    const config = KeyFile.parse(Buffer.from(text, "latin1").toString("utf8"));
    if (config.getBoolean("root", "transient") === true) return true;
    return COMPOSEFS_ON.has(config.getString("composefs", "enabled") ?? "");
  }
  return false;
}
