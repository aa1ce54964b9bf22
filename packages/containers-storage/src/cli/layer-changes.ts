// How one layer's tree differs from any other's, as the storage library compares two mounts.

import type { ByteString } from "@bootc-store/core";
import type { Directory, Inode, Leaf, Tree } from "@bootc-store/tree";

/** As JSON has the kinds, by number: modified, added, deleted. */
export type ChangeKind = 0 | 1 | 2;

export interface LayerChange {
  /** Without a slash at its beginning. */
  readonly path: ByteString;
  readonly kind: ChangeKind;
  /** What is there now, or what was deleted. */
  readonly inode: Inode;
}

/**
 * Changes from one tree to another, a directory before what is in it, names in byte order. A directory in which something
 * changed has changed; what was below something deleted is not told.
 */
export function changesBetween(before: Tree, after: Tree): LayerChange[] {
  const changes: LayerChange[] = [];
  compare(before.root, after.root, "", changes);
  return changes;
}

function compare(before: Inode | undefined, after: Directory, above: string, changes: LayerChange[]): void {
  const old = new Map(before?.kind === "directory" ? before.entries() : []);
  for (const [name, inode] of after.entries()) {
    const path = `${above}${name}` as ByteString;
    const was = old.get(name);
    old.delete(name);
    const kind = was === undefined ? 1 : differs(was, inode) ? 0 : undefined;
    const at = changes.length;
    if (kind !== undefined) changes.push({ path, kind, inode });
    if (inode.kind !== "directory") continue;
    compare(was, inode, `${path}/`, changes);
    if (kind === undefined && changes.length > at) changes.splice(at, 0, { path, kind: 0, inode });
  }
  for (const [name, inode] of old) changes.push({ path: `${above}${name}` as ByteString, kind: 2, inode });
}

/** Size counts but of directories; contents are not looked at, a change of them changes the time. */
function differs(before: Inode, after: Inode): boolean {
  if (before.kind !== after.kind) return true;
  const [a, b] = [before.metadata, after.metadata];
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return true;
  // A time without a fraction may be one that was cut.
  if (a.mtime.sec !== b.mtime.sec) return true;
  if (a.mtime.nsec !== b.mtime.nsec && a.mtime.nsec !== 0 && b.mtime.nsec !== 0) return true;
  if (comparedXattrs(before) !== comparedXattrs(after)) return true;
  return detail(before) !== detail(after);
}

function detail(inode: Inode): string {
  if (inode.kind === "file") return String(inode.size);
  if (inode.kind === "symlink") return inode.target;
  if (inode.kind === "char" || inode.kind === "block") return `${inode.major}:${inode.minor}`;
  return "";
}

function comparedXattrs({ metadata }: Inode): string {
  return JSON.stringify(
    [...metadata.xattrs].filter(([name]) => name.startsWith("user.") || name === "security.capability"),
  );
}

/** Bytes of what was added or modified, each inode once; of a symlink those of its target. */
export function sizeOfChanges(changes: Iterable<LayerChange>): number {
  const seen = new Set<Leaf>();
  let size = 0;
  for (const { kind, inode } of changes) {
    if (kind === 2 || inode.kind === "directory" || seen.has(inode)) continue;
    seen.add(inode);
    if (inode.kind === "file") size += inode.size;
    else if (inode.kind === "symlink") size += inode.target.length;
  }
  return size;
}
