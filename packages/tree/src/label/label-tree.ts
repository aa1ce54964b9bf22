import { type ByteString, utf8 } from "@bootc-store/core";

import type { Directory } from "../directory.ts";
import { type Inode, type Leaf, setMetadata } from "../leaf.ts";
import type { Tree } from "../tree.ts";
import type { Xattrs } from "../xattrs.ts";
import type { LabelPolicy } from "./policy.ts";

/** The attribute that holds an inode's label. */
export const SELINUX_XATTR: ByteString = utf8("security.selinux");

export interface LabelOptions {
  /**
   * Whether the value ends with a NUL byte, as the kernel and ostree have it; composefs-rs has none. By default as
   * the policy's dialect does.
   */
  readonly nulTerminated?: boolean;
  /**
   * A hard link whose name would have another label than the leaf's first name: it becomes an inode of its own
   * (`split`), or the first name decides (`first`). By default `split`.
   */
  readonly hardlinks?: "split" | "first";
  /** What becomes of the label of an inode for whose path the policy has none. By default `remove`. */
  readonly unlabelled?: "remove" | "keep";
}

/**
 * Gives every inode of a tree the label that the policy has for its path, and takes the label from those for which
 * it has none, unless they are to keep it.
 */
export function labelTree(tree: Tree, policy: LabelPolicy, options: LabelOptions = {}): void {
  const end = (options.nulTerminated ?? policy.dialect === "libselinux") ? "\0" : "";
  const split = options.hardlinks !== "first";
  const keep = options.unlabelled === "keep";
  /** What leaves have been given, and what they had before. */
  const labels = new Map<Leaf, { readonly label: ByteString | undefined; readonly before: Xattrs }>();
  const give = (inode: Inode, label: ByteString | undefined, before = inode.metadata.xattrs): void => {
    const { metadata } = inode;
    const without = keep ? before : before.without(SELINUX_XATTR);
    const xattrs = label === undefined ? without : before.with(SELINUX_XATTR, `${label}${end}` as ByteString);
    if (xattrs !== metadata.xattrs) setMetadata(inode, { ...metadata, xattrs });
  };
  const labelLeaf = (directory: Directory, name: ByteString, leaf: Leaf, path: ByteString): void => {
    const first = labels.get(leaf);
    if (first !== undefined && !split) return;
    const label = policy.labelOf(path, leaf.kind);
    if (first === undefined) {
      labels.set(leaf, { label, before: leaf.metadata.xattrs });
      give(leaf, label);
    } else if (first.label !== label) {
      const copy = { ...leaf };
      directory.set(name, copy);
      give(copy, label, first.before);
    }
  };

  give(tree.root, policy.labelOf("/" as ByteString, "directory"));
  const stack = [{ directory: tree.root, path: "", names: tree.root.entries() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.names.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, inode] = next.value;
    const path = policy.alias(`${top.path}/${name}` as ByteString);
    if (inode.kind === "directory") {
      give(inode, policy.labelOf(path, "directory"));
      stack.push({ directory: inode, path: path === "/" ? "" : path, names: inode.entries() });
    } else labelLeaf(top.directory, name, inode, path);
  }
}

/** Takes the label from every inode. */
export function removeLabels(tree: Tree): void {
  const stack: Inode[] = [tree.root];
  for (let inode = stack.pop(); inode !== undefined; inode = stack.pop()) {
    const { metadata } = inode;
    const xattrs = metadata.xattrs.without(SELINUX_XATTR);
    if (xattrs !== metadata.xattrs) setMetadata(inode, { ...metadata, xattrs });
    if (inode.kind === "directory") for (const [, child] of inode) stack.push(child);
  }
}
