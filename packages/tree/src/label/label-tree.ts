import { type ByteString, utf8 } from "@bootc-store/core";

import type { Directory } from "../directory.ts";
import { type Inode, type Leaf, setMetadata } from "../leaf.ts";
import type { Tree } from "../tree.ts";
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
}

/**
 * Gives every inode of a tree the label that the policy has for its path, and takes the label from those for which
 * it has none.
 */
export function labelTree(tree: Tree, policy: LabelPolicy, options: LabelOptions = {}): void {
  const end = (options.nulTerminated ?? policy.dialect === "libselinux") ? "\0" : "";
  const split = options.hardlinks !== "first";
  const labels = new Map<Leaf, ByteString | undefined>();
  const give = (inode: Inode, label: ByteString | undefined): void => {
    const { metadata } = inode;
    const xattrs =
      label === undefined
        ? metadata.xattrs.without(SELINUX_XATTR)
        : metadata.xattrs.with(SELINUX_XATTR, `${label}${end}` as ByteString);
    if (xattrs !== metadata.xattrs) setMetadata(inode, { ...metadata, xattrs });
  };
  const labelLeaf = (directory: Directory, name: ByteString, leaf: Leaf, path: ByteString): void => {
    if (labels.has(leaf) && !split) return;
    const label = policy.labelOf(path, leaf.kind);
    if (labels.has(leaf) && labels.get(leaf) !== label) {
      const copy = { ...leaf };
      directory.set(name, copy);
      give(copy, label);
    } else {
      labels.set(leaf, label);
      give(leaf, label);
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
