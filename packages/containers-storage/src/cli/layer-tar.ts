// Tars of layers that have no tar-split, and of what one layer has that another has not.

import type { ContentSource } from "@bootc-store/backend";
import { type ByteString, utf8 } from "@bootc-store/core";
import type { TarEntryInit, TarEntryToWrite } from "@bootc-store/oci";
import { type Inode, type Leaf, type Tree, walkTree } from "@bootc-store/tree";

import type { LayerChange } from "./layer-changes.ts";

const OPAQUE_XATTR = utf8("trusted.overlay.opaque");
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Entries of a diff directory: overlay's marks become whiteouts. */
export function* entriesOfDiff(tree: Tree, contents: ContentSource): Generator<TarEntryToWrite> {
  const links = new Map<Leaf, ByteString>();
  for (const { path, depth, inode } of walkTree(tree)) {
    if (depth === 0) continue;
    const name = path.slice(1) as ByteString;
    if (inode.kind === "char" && inode.major === 0 && inode.minor === 0) {
      yield whiteout(name);
      continue;
    }
    yield* entryOf(name, inode, contents, links);
    if (inode.kind === "directory" && inode.metadata.xattrs.get(OPAQUE_XATTR) === "y")
      yield { entry: { type: "file", name: `${name}/${OPAQUE}` as ByteString } };
  }
}

/** Entries of changes: what was deleted has a whiteout. */
export function* entriesOfChanges(
  changes: readonly LayerChange[],
  contents: ContentSource,
): Generator<TarEntryToWrite> {
  const links = new Map<Leaf, ByteString>();
  for (const { path, kind, inode } of changes) {
    if (kind === 2) yield whiteout(path);
    else yield* entryOf(path, inode, contents, links);
  }
}

function whiteout(path: ByteString): TarEntryToWrite {
  const slash = path.lastIndexOf("/") + 1;
  const name = `${path.slice(0, slash)}${WHITEOUT}${path.slice(slash)}` as ByteString;
  return { entry: { type: "file", name } };
}

function* entryOf(
  name: ByteString,
  inode: Inode,
  contents: ContentSource,
  links: Map<Leaf, ByteString>,
): Generator<TarEntryToWrite> {
  const { mode, uid, gid, mtime } = inode.metadata;
  const common = {
    name,
    mode: mode & 0o7777,
    uid,
    gid,
    // Layers have whole seconds.
    mtime: { sec: mtime.sec, nsec: 0 },
    xattrs: [...inode.metadata.xattrs].filter(([key]) => isKept(key)),
  };
  if (inode.kind === "directory") {
    yield { entry: { ...common, type: "directory" } };
    return;
  }
  const first = links.get(inode);
  if (first !== undefined) {
    yield { entry: { ...common, type: "hardlink", linkName: first } };
    return;
  }
  links.set(inode, name);
  if (inode.kind === "file") yield fileEntry(common, inode, contents);
  else if (inode.kind === "symlink") yield { entry: { ...common, type: "symlink", linkName: inode.target } };
  else if (inode.kind === "char" || inode.kind === "block")
    yield { entry: { ...common, type: inode.kind, devMajor: inode.major, devMinor: inode.minor } };
  // A tar has no place for a socket.
  else if (inode.kind === "fifo") yield { entry: { ...common, type: "fifo" } };
}

function fileEntry(
  common: Omit<TarEntryInit, "type">,
  { size, content }: Extract<Inode, { kind: "file" }>,
  contents: ContentSource,
): TarEntryToWrite {
  const entry: TarEntryInit = { ...common, type: "file", size };
  if (size === 0) return { entry };
  if (content.kind === "inline") return { entry, content: content.bytes };
  if (content.kind === "sparse") return { entry, content: new Uint8Array(size) };
  return { entry, content: contents.openContent(content, size).read() };
}

/** As the library keeps them: labels belong to the place, overlay's own marks to the store. */
function isKept(name: ByteString): boolean {
  if (name.startsWith("user.")) return !name.startsWith("user.overlay.");
  return name === "security.capability" || name === "security.ima";
}
