import type { ByteString } from "@bootc-store/core";

import { type Inode, setMetadata } from "./leaf.ts";
import type { Tree } from "./tree.ts";
import { walkInodes } from "./walk.ts";
import type { Xattrs } from "./xattrs.ts";

/** Whether an inode keeps an extended attribute. */
export type XattrFilter = (name: ByteString, value: ByteString, inode: Inode) => boolean;

/** Keeps only attributes of these names, and of names that begin with one of these prefixes. */
export function keepXattrs(names: Iterable<string>, prefixes: readonly string[] = []): XattrFilter {
  const exact = new Set<string>(names);
  return (name) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}

/** Removes from every inode of the tree the attributes that the filter does not keep. Returns how many inodes changed. */
export function filterXattrs(tree: Tree, keep: XattrFilter): number {
  let changed = 0;
  for (const inode of walkInodes(tree)) {
    const { metadata } = inode;
    if (metadata.xattrs.size === 0) continue;
    const xattrs = metadata.xattrs.filter((name, value) => keep(name, value, inode));
    if (xattrs === metadata.xattrs) continue;
    setMetadata(inode, { ...metadata, xattrs });
    changed++;
  }
  return changed;
}

/**
 * Makes inodes with equal attributes share one value. Labels and capabilities are few and inodes many, so this
 * saves much where attributes were made inode by inode.
 */
export class XattrPool {
  readonly #values = new Map<string, Xattrs>();

  /** The first value of the pool that equals this one, which may be this one. */
  share(xattrs: Xattrs): Xattrs {
    if (xattrs.size === 0) return xattrs;
    let key = "";
    for (const [name, value] of xattrs) key += `${name.length}:${name}${value.length}:${value}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    this.#values.set(key, xattrs);
    return xattrs;
  }
}
