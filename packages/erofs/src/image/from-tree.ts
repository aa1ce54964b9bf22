import { type ByteString, fromHex } from "@bootc-store/core";
import type { Directory, Leaf, Metadata, Tree } from "@bootc-store/tree";

import type { ImageChild, ImageDirectory, ImageNode } from "./node.ts";

export interface FromTreeOptions {
  /**
   * The path of an external file's object, from its leaf; by default the object's path by its digest, `ab/cdef…`, or where no
   * digest is known the key of its content.
   */
  readonly payloadOf?: (leaf: Extract<Leaf, { kind: "file" }>) => ByteString | undefined;
}

/**
 * What is to be written for a tree: link counts by names, each inode in the place of its first name in the order of a walk,
 * as composefs-rs has it.
 */
export function imageOfTree(tree: Tree, options: FromTreeOptions = {}): ImageDirectory {
  const payloadOf = options.payloadOf ?? defaultPayload;
  const leaves = new Map<Leaf, Counted>();
  const root = directoryNode(tree.root);
  const stack = [{ node: root, names: tree.root.entries() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.names.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, inode] = next.value;
    let child: ImageChild;
    if (inode.kind === "directory") {
      const node = directoryNode(inode);
      stack.push({ node, names: inode.entries() });
      child = { node, alias: false };
    } else {
      const known = leaves.get(inode);
      const node = known ?? leafNode(inode, payloadOf);
      if (known === undefined) leaves.set(inode, node);
      else node.nlink++;
      child = { node, alias: known !== undefined };
    }
    top.node.children.set(name, child);
  }
  return root;
}

type Counted = ImageNode & { nlink: number };

function common({ mode, uid, gid, mtime, xattrs }: Metadata): Omit<ImageNode, "nlink"> {
  return {
    mode,
    uid,
    gid,
    rdev: 0,
    size: 0n,
    mtime: { sec: BigInt(mtime.sec), nsec: mtime.nsec },
    xattrs: [...xattrs],
  };
}

function directoryNode(directory: Directory): ImageDirectory {
  return { ...common(directory.metadata), nlink: 2, children: new Map() };
}

function leafNode(leaf: Leaf, payloadOf: NonNullable<FromTreeOptions["payloadOf"]>): Counted {
  const base = { ...common(leaf.metadata), nlink: 1 };
  switch (leaf.kind) {
    case "file": {
      const size = BigInt(leaf.size);
      const { content } = leaf;
      if (leaf.size === 0) return base;
      if (content.kind === "inline") return { ...base, size, content: content.bytes };
      if (content.kind === "sparse") return { ...base, size, external: {} };
      const payload = payloadOf(leaf);
      const digest = content.verity === undefined ? undefined : fromHex(content.verity.hex);
      const external = {
        ...(payload === undefined ? {} : { payload }),
        ...(digest === undefined ? {} : { digest }),
      };
      return { ...base, size, external };
    }
    case "symlink":
      return { ...base, size: BigInt(leaf.target.length), target: leaf.target };
    case "char":
    case "block":
      return { ...base, rdev: makeDevice(leaf.major, leaf.minor) };
    default:
      return base;
  }
}

function defaultPayload(leaf: Extract<Leaf, { kind: "file" }>): ByteString | undefined {
  if (leaf.content.kind !== "external") return undefined;
  const { verity, key } = leaf.content;
  return (verity === undefined ? key : `${verity.hex.slice(0, 2)}/${verity.hex.slice(2)}`) as ByteString;
}

/** The kernel's 32-bit form: 12 bits of major, 20 of minor, whose upper 12 are on top. */
export function makeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export function splitDevice(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
