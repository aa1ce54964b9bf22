import { type ByteString, byteString, utf8 } from "@bootc-store/core";

import { erofsErrors } from "../errors.ts";
import {
  type ImageChild,
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  isWhiteout,
  S_IFCHR,
  S_IFREG,
  sortedChildren,
  typeOf,
  type XattrPair,
} from "../image/node.ts";
import type { WriterRules } from "./rules.ts";

// What is done to a tree before it is written: overlay's attributes are escaped, files whose bytes are elsewhere get
// the attributes by which overlay finds them, whiteouts become files, and the root gets the names that hide the
// object store.

/** An inode as it will be written. */
export interface Inode {
  readonly node: ImageNode;
  /** Place in the order of the inodes. */
  readonly index: number;
  readonly mode: number;
  readonly nlink: number;
  readonly xattrs: XattrPair[];
  /** Whether it was a whiteout and is written as an empty file. */
  readonly escaped: boolean;
  /** Of a directory, "." and ".." included, in byte order. */
  readonly entries: readonly Entry[] | undefined;
}

export interface Entry {
  readonly name: ByteString;
  readonly inode: Inode;
}

type Draft = { -readonly [K in keyof Inode]: Inode[K] };
type Named = readonly [ByteString, ImageChild];

const OVERLAY = "trusted.overlay.";
const METACOPY = utf8("trusted.overlay.metacopy");
const REDIRECT = utf8("trusted.overlay.redirect");
const SELINUX = "security.selinux";
const METACOPY_SHA256 = byteString(Uint8Array.of(0, 36, 0, 1));
const METACOPY_SHA512 = byteString(Uint8Array.of(0, 68, 0, 2));

/** The inodes of an image in their order. Throws `erofs/value-unsupported`. */
export function prepareInodes(root: ImageDirectory, rules: WriterRules, version: 0 | 1 | 2): Inode[] {
  const drafts = new Map<ImageNode, Draft>();
  const places: Place[] = [];
  const order = version === 2 ? depthFirst(root, places) : breadthFirst(root, places);
  for (const [index, node] of order.entries()) drafts.set(node, draftOf(node, index, version));
  if (version !== 2) escapeForOverlay(root, places, drafts, rules, version);
  const inodes = order.map((node) => drafts.get(node) as Draft);
  for (const { node, parent, children } of places) {
    const inode = drafts.get(node) as Draft;
    inode.entries = entriesOf(inode, drafts.get(parent) as Draft, children, drafts);
  }
  if (version !== 2) {
    for (const { xattrs } of inodes) if (xattrs.length > 1) xattrs.sort((a, b) => compareText(a[0], b[0]));
  }
  return inodes;
}

/** Whether any whiteout has its own place in the tree, by which C raises the version. */
export function hasWhiteout(root: ImageDirectory): boolean {
  const stack = [root];
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    for (const { node, alias } of directory.children.values()) {
      if (isDirectory(node)) stack.push(node);
      else if (!alias && isWhiteout(node)) return true;
    }
  }
  return false;
}

interface Place {
  readonly node: ImageDirectory;
  readonly parent: ImageDirectory;
  /** In byte order; of the root with the stubs. */
  readonly children: readonly Named[];
}

/** All of one depth before what is deeper; inodes in the place of the name that is no alias. */
function breadthFirst(root: ImageDirectory, places: Place[]): ImageNode[] {
  const order: ImageNode[] = [root];
  const queue: { readonly node: ImageDirectory; readonly parent: ImageDirectory }[] = [
    { node: root, parent: root },
  ];
  for (const { node, parent } of queue) {
    const children = node === root ? withStubs(root) : sortedChildren(node);
    places.push({ node, parent, children });
    for (const [, { node: child, alias }] of children) {
      if (alias) continue;
      order.push(child);
      if (isDirectory(child)) queue.push({ node: child, parent: node });
    }
  }
  return order;
}

/** A directory, then what it holds in byte order, each subdirectory fully before the next name. */
function depthFirst(root: ImageDirectory, places: Place[]): ImageNode[] {
  const order: ImageNode[] = [root];
  const seen = new Set<ImageNode>();
  const open = (node: ImageDirectory, parent: ImageDirectory) => {
    const children = sortedChildren(node);
    places.push({ node, parent, children });
    return { node, rest: children.values() };
  };
  const stack = [open(root, root)];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.rest.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const child = next.value[1].node;
    if (seen.has(child)) continue;
    seen.add(child);
    order.push(child);
    if (isDirectory(child)) stack.push(open(child, top.node));
  }
  return order;
}

/** The names of all objects' directories as whiteouts, where the root has no such name itself. */
function withStubs(root: ImageDirectory): Named[] {
  const label = root.xattrs.find(([name]) => name === SELINUX);
  const stub: Omit<ImageNode, "children"> = {
    mode: S_IFCHR | 0o644,
    nlink: 1,
    uid: root.uid,
    gid: root.gid,
    rdev: 0,
    size: 0n,
    mtime: root.mtime,
    xattrs: label === undefined ? [] : [label],
  };
  const children = new Map(root.children);
  for (let byte = 0; byte < 256; byte++) {
    const name = utf8(byte.toString(16).padStart(2, "0"));
    if (!children.has(name))
      children.set(name, { node: { ...stub, [STUB]: true } as ImageNode, alias: false });
  }
  return sortedChildren({ ...root, children });
}

/** Marks the whiteouts that this writer adds, which are never escaped. */
const STUB = Symbol("stub");

function draftOf(node: ImageNode, index: number, version: 0 | 1 | 2): Draft {
  const xattrs: XattrPair[] = [];
  const { external } = node;
  if (external !== undefined) {
    const { payload, digest } = external;
    xattrs.push([METACOPY, digest === undefined ? utf8("") : metacopy(digest)]);
    if (payload !== undefined && payload !== "") xattrs.push([REDIRECT, `/${payload}` as ByteString]);
  }
  const own = version === 2 ? [...node.xattrs].sort((a, b) => compareText(a[0], b[0])) : node.xattrs;
  for (const [name, value] of own) xattrs.push([escaped(name), value]);
  return { node, index, mode: node.mode, nlink: node.nlink, xattrs, escaped: false, entries: undefined };
}

/** Overlay would take its own attributes for meant for it, so they get a second `overlay.`. */
function escaped(name: ByteString): ByteString {
  return name.startsWith(OVERLAY) ? (`${OVERLAY}overlay.${name.slice(OVERLAY.length)}` as ByteString) : name;
}

/** What overlay compares the fs-verity digest of a file's bytes with. */
function metacopy(digest: Uint8Array): ByteString {
  const header = digest.length === 64 ? METACOPY_SHA512 : METACOPY_SHA256;
  return `${header}${byteString(digest)}` as ByteString;
}

function escapeForOverlay(
  root: ImageDirectory,
  places: readonly Place[],
  drafts: ReadonlyMap<ImageNode, Draft>,
  rules: WriterRules,
  version: 0 | 1,
): void {
  for (const { node, children } of places) {
    let found = false;
    for (const [name, { node: child, alias }] of children) {
      if (alias || !isWhiteout(child) || STUB in child) continue;
      if (rules.recognisesStubs && node === root && looksLikeStub(name, child, root)) continue;
      if (!rules.hardlinkedWhiteouts && child.nlink > 1) {
        throw erofsErrors.error("value-unsupported", "a whiteout has more than one name");
      }
      const draft = drafts.get(child) as Draft;
      draft.mode = S_IFREG | (child.mode & 0o7777);
      draft.escaped = true;
      put(draft, "trusted.overlay.overlay.whiteout", "", rules);
      put(draft, "user.overlay.whiteout", "", rules);
      found = true;
    }
    if (!found) continue;
    const draft = drafts.get(node) as Draft;
    put(draft, "trusted.overlay.overlay.whiteouts", "", rules);
    put(draft, "user.overlay.whiteouts", "", rules);
    if (version === 0) continue;
    put(draft, "trusted.overlay.overlay.opaque", "x", rules);
    put(draft, "user.overlay.opaque", "x", rules);
  }
  put(drafts.get(root) as Draft, "trusted.overlay.opaque", "y", rules);
}

function put(draft: Draft, name: string, value: string, rules: WriterRules): void {
  const pair: XattrPair = [utf8(name), utf8(value)];
  const at = rules.replacesXattrs ? draft.xattrs.findIndex((other) => other[0] === name) : -1;
  if (at < 0) draft.xattrs.push(pair);
  else draft.xattrs[at] = pair;
}

function looksLikeStub(name: ByteString, node: ImageNode, root: ImageDirectory): boolean {
  const label = root.xattrs.find(([key]) => key === SELINUX);
  const wanted = label === undefined ? [] : [label];
  return (
    /^[0-9a-f]{2}$/.test(name) &&
    (node.mode & 0o7777) === 0o644 &&
    node.uid === root.uid &&
    node.gid === root.gid &&
    node.mtime.sec === root.mtime.sec &&
    node.mtime.nsec === root.mtime.nsec &&
    node.xattrs.length === wanted.length &&
    node.xattrs.every((pair, at) => pair[0] === wanted[at]?.[0] && pair[1] === wanted[at]?.[1])
  );
}

function entriesOf(
  self: Inode,
  parent: Inode,
  children: readonly Named[],
  drafts: ReadonlyMap<ImageNode, Draft>,
): Entry[] {
  const entries: Entry[] = [
    { name: utf8("."), inode: self },
    { name: utf8(".."), inode: parent },
  ];
  for (const [name, { node }] of children) {
    const inode = drafts.get(node);
    if (inode === undefined) {
      throw erofsErrors.error("value-unsupported", "a name stands for an inode that has no place of its own");
    }
    entries.push({ name, inode });
  }
  return entries.sort((a, b) => compareText(a.name, b.name));
}

/** The link count that is written: of directories it follows from what they hold. */
export function linkCount(inode: Inode): number {
  if (inode.entries === undefined) return inode.nlink;
  let count = 0;
  for (const { inode: other } of inode.entries) if (other.entries !== undefined) count++;
  return count;
}

/** The type of a directory entry. */
export function entryType(inode: Pick<Inode, "mode">): number {
  switch (typeOf(inode)) {
    case S_IFREG:
      return 1;
    case 0o040000:
      return 2;
    case S_IFCHR:
      return 3;
    case 0o060000:
      return 4;
    case 0o010000:
      return 5;
    case 0o140000:
      return 6;
    default:
      return 7;
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
