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
  const order = new Order(root, version);
  if (version === 2) depthFirst(root, order);
  else breadthFirst(root, order);
  if (version !== 2) escapeForOverlay(root, order.places, rules, version);
  for (const place of order.places) place.self.entries = order.entriesOf(place);
  if (version !== 2) {
    for (const { xattrs } of order.inodes) {
      if (xattrs.length > 1) xattrs.sort((a, b) => compareText(a[0], b[0]));
    }
  }
  return order.inodes;
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
  readonly self: Draft;
  readonly parent: Draft;
  /** In byte order; of the root with the stubs. */
  readonly children: readonly Named[];
  /** Their inodes; nothing for a name whose inode has its place elsewhere. */
  readonly inodes: (Draft | undefined)[];
}

/** Inodes as they get their places. Few have several names, so only those are looked up by what they are. */
class Order {
  readonly inodes: Draft[] = [];
  readonly places: Place[] = [];
  readonly #version: 0 | 1 | 2;
  /** Inodes of which some name is an alias, and their drafts once they have one. */
  readonly #shared: Map<ImageNode, Draft | undefined>;

  constructor(root: ImageDirectory, version: 0 | 1 | 2) {
    this.#version = version;
    this.#shared = aliased(root);
  }

  add(node: ImageNode): Draft {
    const draft = draftOf(node, this.inodes.length, this.#version);
    this.inodes.push(draft);
    if (this.#shared.size > 0 && this.#shared.has(node)) this.#shared.set(node, draft);
    return draft;
  }

  open(node: ImageDirectory, self: Draft, parent: Draft, children: readonly Named[]): Place {
    const place: Place = { node, self, parent, children, inodes: [] };
    this.places.push(place);
    return place;
  }

  /** The draft of an inode that has several names. */
  known(node: ImageNode): Draft | undefined {
    return this.#shared.size === 0 ? undefined : this.#shared.get(node);
  }

  entriesOf({ self, parent, children, inodes }: Place): Entry[] {
    const entries: Entry[] = [
      { name: DOT, inode: self },
      { name: DOTS, inode: parent },
    ];
    for (let at = 0; at < children.length; at++) {
      const [name, { node }] = children[at] as Named;
      const inode = inodes[at] ?? this.known(node);
      if (inode === undefined) {
        throw erofsErrors.error(
          "value-unsupported",
          "a name stands for an inode that has no place of its own",
        );
      }
      entries.push({ name, inode });
    }
    const first = entries[2];
    // Few names come before the dots.
    return first === undefined || first.name > DOTS
      ? entries
      : entries.sort((a, b) => compareText(a.name, b.name));
  }
}

const DOT = utf8(".");
const DOTS = utf8("..");

function aliased(root: ImageDirectory): Map<ImageNode, undefined> {
  const found = new Map<ImageNode, undefined>();
  const stack = [root];
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    for (const { node, alias } of directory.children.values()) {
      if (alias) found.set(node, undefined);
      else if (isDirectory(node)) stack.push(node);
    }
  }
  return found;
}

/** All of one depth before what is deeper; inodes in the place of the name that is no alias. */
function breadthFirst(root: ImageDirectory, order: Order): void {
  const top = order.add(root);
  const queue: { readonly node: ImageDirectory; readonly self: Draft; readonly parent: Draft }[] = [
    { node: root, self: top, parent: top },
  ];
  for (const { node, self, parent } of queue) {
    const children = node === root ? withStubs(root) : sortedChildren(node);
    const { inodes } = order.open(node, self, parent, children);
    for (const [, { node: child, alias }] of children) {
      const inode = alias ? undefined : order.add(child);
      inodes.push(inode);
      if (inode !== undefined && isDirectory(child)) queue.push({ node: child, self: inode, parent: self });
    }
  }
}

/** A directory, then what it holds in byte order, each subdirectory fully before the next name. */
function depthFirst(root: ImageDirectory, order: Order): void {
  const open = (node: ImageDirectory, self: Draft, parent: Draft): Place =>
    order.open(node, self, parent, sortedChildren(node));
  const top = order.add(root);
  const stack = [open(root, top, top)];
  for (let place = stack.at(-1); place !== undefined; place = stack.at(-1)) {
    const child = place.children[place.inodes.length]?.[1].node;
    if (child === undefined) {
      stack.pop();
      continue;
    }
    const inode = order.known(child) ?? order.add(child);
    place.inodes.push(inode);
    if (isDirectory(child)) stack.push(open(child, inode, place.self));
  }
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
  rules: WriterRules,
  version: 0 | 1,
): void {
  for (const { node, self, children, inodes } of places) {
    let found = false;
    for (const [at, [name, { node: child }]] of children.entries()) {
      const draft = inodes[at];
      if (draft === undefined || !isWhiteout(child) || STUB in child) continue;
      if (rules.recognisesStubs && node === root && looksLikeStub(name, child, root)) continue;
      if (!rules.hardlinkedWhiteouts && child.nlink > 1) {
        throw erofsErrors.error("value-unsupported", "a whiteout has more than one name");
      }
      draft.mode = S_IFREG | (child.mode & 0o7777);
      draft.escaped = true;
      put(draft, "trusted.overlay.overlay.whiteout", "", rules);
      put(draft, "user.overlay.whiteout", "", rules);
      found = true;
    }
    if (!found) continue;
    put(self, "trusted.overlay.overlay.whiteouts", "", rules);
    put(self, "user.overlay.whiteouts", "", rules);
    if (version === 0) continue;
    put(self, "trusted.overlay.overlay.opaque", "x", rules);
    put(self, "user.overlay.opaque", "x", rules);
  }
  const top = places[0]?.self;
  if (top !== undefined) put(top, "trusted.overlay.opaque", "y", rules);
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
