import { Directory } from "./directory.ts";
import type { Leaf } from "./leaf.ts";
import type { Tree } from "./tree.ts";
import { walkInodes } from "./walk.ts";

/**
 * A tree of new inodes, with the hard links of the old one. `mapLeaf` may give another leaf for each; it is
 * asked once per leaf, however many names that has. Metadata and content are values and are shared.
 */
export function copyTree(tree: Tree, mapLeaf: (leaf: Leaf) => Leaf = (leaf) => ({ ...leaf })): Tree {
  const root = new Directory(tree.root.metadata);
  const leaves = new Map<Leaf, Leaf>();
  const stack: [Directory, Directory][] = [[tree.root, root]];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    const [from, to] = pair;
    for (const [name, inode] of from) {
      if (inode.kind === "directory") {
        const directory = new Directory(inode.metadata);
        to.set(name, directory);
        stack.push([inode, directory]);
      } else {
        let leaf = leaves.get(inode);
        if (leaf === undefined) {
          leaf = mapLeaf(inode);
          leaves.set(inode, leaf);
        }
        to.set(name, leaf);
      }
    }
  }
  return { root };
}

/** Makes every later change to the tree an error (`tree/frozen`), and returns the tree. */
export function freezeTree(tree: Tree): Tree {
  for (const inode of walkInodes(tree)) {
    if (inode.kind === "directory") inode.freeze();
    else Object.freeze(inode);
  }
  return tree;
}
