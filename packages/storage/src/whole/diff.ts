// How two trees differ, wherever they are: contents of composefs are compared by their names there, others byte by byte.

import type { ContentSource } from "@bootc-store/backend";
import { displayName, throwIfAborted } from "@bootc-store/core";
import {
  type Aspect,
  type Change,
  copyTree,
  diffTrees,
  type FileContent,
  type Inode,
  type Tree,
} from "@bootc-store/tree";

import type { FoundTree } from "./find-tree.ts";

export interface TreeDifference {
  readonly type: Change["type"];
  /** Begins with a slash; what cannot be shown is escaped. */
  readonly path: string;
  readonly kind: Inode["kind"];
  /** Of a regular file. */
  readonly size?: number;
  /** Of a change: what differs, and how it was and is where that can be said in a line. */
  readonly aspects?: readonly AspectChange[];
}

export interface AspectChange {
  readonly aspect: Aspect;
  readonly before?: string;
  readonly after?: string;
}

export interface DiffTreesOptions {
  /** Differences that do not count, besides those that one of the two cannot know. */
  readonly ignore?: readonly Aspect[];
  readonly signal?: AbortSignal;
}

/** What ostree does not keep. */
const UNKNOWN_TO_OSTREE: readonly Aspect[] = ["mtime", "links"];

/** How `after` differs from `before`, in the order of a walk. */
export async function* diffFound(
  before: FoundTree,
  after: FoundTree,
  options: DiffTreesOptions = {},
): AsyncGenerator<TreeDifference> {
  const ostree = before.source === "ostree" || after.source === "ostree";
  const ignore = [...(options.ignore ?? []), ...(ostree ? UNKNOWN_TO_OSTREE : [])];
  const oneStore = before.source === after.source && before.source !== "directory";
  // Only composefs names contents by what they are: elsewhere one content can have two names.
  const byKey = oneStore && before.source === "composefs";
  const other = oneStore ? after.tree : withOwnKeys(after.tree);
  for (const change of diffTrees(before.tree, other, { ignore })) {
    throwIfAborted(options.signal);
    const path = displayName(change.path);
    if (change.type !== "changed") {
      const inode = change.type === "added" ? change.after : change.before;
      yield { type: change.type, path, kind: inode.kind, ...sizeOf(inode) };
      continue;
    }
    let { aspects } = change;
    if (aspects.includes("content") && !aspects.includes("size") && !byKey) {
      if (await sameBytes(before, change.before, after, change.after)) {
        aspects = aspects.filter((aspect) => aspect !== "content");
      }
    }
    if (aspects.length === 0) continue;
    yield {
      type: "changed",
      path,
      kind: change.after.kind,
      ...sizeOf(change.after),
      aspects: aspects.map((aspect) => describe(aspect, change.before, change.after)),
    };
  }
}

/** Before the keys of a tree whose source is another one, so that no two keys of both are equal by chance. */
const OTHER = "other source: ";

function withOwnKeys(tree: Tree): Tree {
  return copyTree(tree, (leaf) => {
    if (leaf.kind !== "file" || leaf.content.kind !== "external") return { ...leaf };
    return { ...leaf, content: { ...leaf.content, key: `${OTHER}${leaf.content.key}` } };
  });
}

function sizeOf(inode: Inode): { readonly size?: number } {
  return inode.kind === "file" ? { size: inode.size } : {};
}

/** Whether two files hold the same, byte by byte. */
export async function sameBytes(
  a: Pick<FoundTree, "contents">,
  old: Inode,
  b: Pick<FoundTree, "contents">,
  now: Inode,
): Promise<boolean> {
  if (old.kind !== "file" || now.kind !== "file" || old.size !== now.size) return false;
  const left = bytesOf(a.contents, old.content, old.size);
  const right = bytesOf(b.contents, now.content, now.size);
  try {
    let [x, y] = [NONE, NONE];
    for (;;) {
      if (x.length === 0) x = (await left.next()).value ?? NONE;
      if (y.length === 0) y = (await right.next()).value ?? NONE;
      if (x.length === 0 || y.length === 0) return x.length === y.length;
      const length = Math.min(x.length, y.length);
      if (Buffer.compare(x.subarray(0, length), y.subarray(0, length)) !== 0) return false;
      x = x.subarray(length);
      y = y.subarray(length);
    }
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
}

const NONE: Uint8Array = new Uint8Array(0);
const CHUNK = 1 << 16;

async function* bytesOf(
  contents: ContentSource,
  content: FileContent,
  size: number,
): AsyncGenerator<Uint8Array, undefined> {
  if (content.kind === "inline") {
    if (content.bytes.length > 0) yield content.bytes;
  } else if (content.kind === "external") {
    const { key } = content;
    const own = key.startsWith(OTHER) ? { ...content, key: key.slice(OTHER.length) } : content;
    for await (const piece of contents.openContent(own, size).read()) if (piece.length > 0) yield piece;
  } else {
    const zeros = new Uint8Array(Math.min(CHUNK, size));
    for (let left = size; left > 0; left -= zeros.length) yield zeros.subarray(0, left);
  }
  return undefined;
}

function describe(aspect: Aspect, before: Inode, after: Inode): AspectChange {
  const both = (show: (inode: Inode) => string): AspectChange => ({
    aspect,
    before: show(before),
    after: show(after),
  });
  switch (aspect) {
    case "kind":
      return both(({ kind }) => kind);
    case "permissions":
      return both(({ metadata }) => (metadata.mode & 0o7777).toString(8).padStart(4, "0"));
    case "owner":
      return both(({ metadata }) => `${metadata.uid}:${metadata.gid}`);
    case "mtime":
      return both(({ metadata: { mtime } }) => `${mtime.sec}.${String(mtime.nsec).padStart(9, "0")}`);
    case "xattrs":
      return xattrChange(before, after);
    case "size":
      return both((inode) => (inode.kind === "file" ? String(inode.size) : "-"));
    case "target":
      return both((inode) => (inode.kind === "symlink" ? displayName(inode.target) : "-"));
    case "device":
      return both((inode) => ("major" in inode ? `${inode.major}:${inode.minor}` : "-"));
    default:
      return { aspect };
  }
}

/** Only the attributes that differ: `NAME=VALUE`, one after another; none where there is none. */
function xattrChange(before: Inode, after: Inode): AspectChange {
  const old = new Map(before.metadata.xattrs);
  const now = new Map(after.metadata.xattrs);
  const show = (from: typeof old, other: typeof old): string =>
    [...from]
      .filter(([name, value]) => other.get(name) !== value)
      .map(([name, value]) => `${displayName(name)}=${displayName(value)}`)
      .join(" ");
  return { aspect: "xattrs", before: show(old, now), after: show(now, old) };
}
