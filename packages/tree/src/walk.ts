import type { ByteString } from "@bootc-store/core";

import type { Directory } from "./directory.ts";
import type { Inode, Leaf } from "./leaf.ts";
import { joinPath } from "./name.ts";
import type { Tree } from "./tree.ts";

/** One name met on a walk. */
export class WalkEntry {
  /** The last component; empty for the root. */
  readonly name: ByteString;
  readonly inode: Inode;
  /** The entry of the directory that holds the name; `undefined` for the root. */
  readonly parent: WalkEntry | undefined;
  /** Components of the path: 0 for the root. */
  readonly depth: number;

  constructor(name: ByteString, inode: Inode, parent: WalkEntry | undefined) {
    this.name = name;
    this.inode = inode;
    this.parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
  }

  /** The path from the root, absolute, `/` for the root. Put together when asked for. */
  get path(): ByteString {
    return joinPath(this.components());
  }

  components(): ByteString[] {
    if (this.parent === undefined) return [];
    const parts = [this.name];
    for (let at = this.parent; at.parent !== undefined; at = at.parent) parts.push(at.name);
    parts.reverse();
    return parts;
  }
}

export interface WalkOptions {
  /** Whether to go into a directory; by default into every one. */
  readonly enter?: (entry: WalkEntry, directory: Directory) => boolean;
}

/**
 * Every name of a tree, the root first: a directory before what it holds, names of one directory in byte
 * order, each subdirectory fully before the next name. Depth costs memory but no stack.
 */
export function* walkTree(tree: Tree, options: WalkOptions = {}): Generator<WalkEntry, void, undefined> {
  const root = new WalkEntry("" as ByteString, tree.root, undefined);
  yield root;
  if (options.enter?.(root, tree.root) === false) return;
  const stack = [{ entry: root, names: tree.root.entries() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.names.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, inode] = next.value;
    const entry = new WalkEntry(name, inode, top.entry);
    yield entry;
    if (inode.kind === "directory" && options.enter?.(entry, inode) !== false) {
      stack.push({ entry, names: inode.entries() });
    }
  }
}

/** Every inode once, directories before what they hold, in the order of their first names on a walk. */
export function* walkInodes(tree: Tree): Generator<Inode, void, undefined> {
  const seen = new Set<Leaf>();
  const stack: Iterator<readonly [ByteString, Inode]>[] = [tree.root.entries()];
  yield tree.root;
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const inode = next.value[1];
    if (inode.kind === "directory") {
      yield inode;
      stack.push(inode.entries());
    } else if (!seen.has(inode)) {
      seen.add(inode);
      yield inode;
    }
  }
}

/** How many names each leaf has. */
export function countLinks(tree: Tree): Map<Leaf, number> {
  const counts = new Map<Leaf, number>();
  for (const { inode } of walkTree(tree)) {
    if (inode.kind !== "directory") counts.set(inode, (counts.get(inode) ?? 0) + 1);
  }
  return counts;
}
