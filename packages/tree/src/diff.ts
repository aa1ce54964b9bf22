import { type ByteString, compareByteStrings } from "@bootc-store/core";

import { equalContent } from "./content.ts";
import type { Directory } from "./directory.ts";
import type { Inode, Leaf } from "./leaf.ts";
import { equalTimes } from "./metadata.ts";
import { joinPath } from "./name.ts";
import type { Tree } from "./tree.ts";

/** What may differ between two inodes under one path. */
export type Aspect =
  | "kind"
  | "permissions"
  | "owner"
  | "mtime"
  | "xattrs"
  | "size"
  | "content"
  | "target"
  | "device"
  /** The name is a hard link of something else than before. */
  | "links";

export type Change =
  | { readonly type: "added"; readonly path: ByteString; readonly after: Inode }
  | { readonly type: "removed"; readonly path: ByteString; readonly before: Inode }
  | {
      readonly type: "changed";
      readonly path: ByteString;
      readonly before: Inode;
      readonly after: Inode;
      /** Never empty; in the order of {@link Aspect}. */
      readonly aspects: readonly Aspect[];
    };

export interface DiffOptions {
  /** Differences that do not count. */
  readonly ignore?: readonly Aspect[];
}

/**
 * How `after` differs from `before`, path by path, in the order of a walk. Of a directory that was added or
 * removed everything below is listed too. Whether contents are equal is as much as their references tell:
 * references of different sources should carry digests.
 */
export function* diffTrees(
  before: Tree,
  after: Tree,
  options: DiffOptions = {},
): Generator<Change, void, undefined> {
  const ignore = new Set(options.ignore);
  const pairing = new LinkPairing();
  const stack: Frame[] = [];
  const visit = function* (path: Path | undefined, old: Inode | undefined, now: Inode | undefined) {
    if (old !== undefined && now !== undefined) {
      const aspects = differences(old, now, pairing).filter((aspect) => !ignore.has(aspect));
      if (aspects.length > 0) {
        yield { type: "changed", path: pathOf(path), before: old, after: now, aspects } as const;
      }
    } else if (now !== undefined) {
      yield { type: "added", path: pathOf(path), after: now } as const;
    } else if (old !== undefined) {
      yield { type: "removed", path: pathOf(path), before: old } as const;
    }
    const pairs = namePairs(directoryOf(old), directoryOf(now));
    if (pairs !== undefined) stack.push({ path, pairs });
  };
  yield* visit(undefined, before.root, after.root);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.pairs.next();
    if (next.done === true) stack.pop();
    else yield* visit({ name: next.value[0], parent: top.path }, next.value[1], next.value[2]);
  }
}

/** Whether two trees are the same, as far as {@link diffTrees} can tell. */
export function equalTrees(a: Tree, b: Tree, options: DiffOptions = {}): boolean {
  return diffTrees(a, b, options).next().done === true;
}

interface Path {
  readonly name: ByteString;
  readonly parent: Path | undefined;
}

type NamePair = readonly [ByteString, Inode | undefined, Inode | undefined];

interface Frame {
  readonly path: Path | undefined;
  readonly pairs: Iterator<NamePair>;
}

function pathOf(path: Path | undefined): ByteString {
  const parts: ByteString[] = [];
  for (let at = path; at !== undefined; at = at.parent) parts.push(at.name);
  return joinPath(parts.reverse());
}

function directoryOf(inode: Inode | undefined): Directory | undefined {
  return inode?.kind === "directory" ? inode : undefined;
}

function namePairs(old: Directory | undefined, now: Directory | undefined): Iterator<NamePair> | undefined {
  return old === undefined && now === undefined ? undefined : mergeNames(old, now);
}

/** The names of both directories in byte order, each with what it stands for in either. */
function* mergeNames(old: Directory | undefined, now: Directory | undefined): Generator<NamePair> {
  const left = old?.entries();
  const right = now?.entries();
  let a = left?.next();
  let b = right?.next();
  for (;;) {
    const from = a === undefined || a.done === true ? undefined : a.value;
    const to = b === undefined || b.done === true ? undefined : b.value;
    if (from === undefined && to === undefined) return;
    const order = from === undefined ? 1 : to === undefined ? -1 : compareByteStrings(from[0], to[0]);
    yield [
      ((order <= 0 ? from : to) as [ByteString, Inode])[0],
      order <= 0 ? from?.[1] : undefined,
      order >= 0 ? to?.[1] : undefined,
    ];
    if (order <= 0) a = left?.next();
    if (order >= 0) b = right?.next();
  }
}

/** Which leaf of one tree stands for which of the other; a leaf that stands for two is linked differently. */
class LinkPairing {
  readonly #forward = new Map<Leaf, Leaf>();
  readonly #backward = new Map<Leaf, Leaf>();

  agrees(old: Leaf, now: Leaf): boolean {
    const forward = this.#forward.get(old);
    const backward = this.#backward.get(now);
    if (forward === undefined && backward === undefined) {
      this.#forward.set(old, now);
      this.#backward.set(now, old);
      return true;
    }
    return forward === now && backward === old;
  }
}

function differences(old: Inode, now: Inode, pairing: LinkPairing): Aspect[] {
  const found: Aspect[] = [];
  const a = old.metadata;
  const b = now.metadata;
  if (old.kind !== now.kind) found.push("kind");
  if ((a.mode & 0o7777) !== (b.mode & 0o7777)) found.push("permissions");
  if (a.uid !== b.uid || a.gid !== b.gid) found.push("owner");
  if (!equalTimes(a.mtime, b.mtime)) found.push("mtime");
  if (!a.xattrs.equals(b.xattrs)) found.push("xattrs");
  if (old.kind === "file" && now.kind === "file") {
    if (old.size !== now.size) found.push("size");
    if (!equalContent(old.content, now.content)) found.push("content");
  }
  if (old.kind === "symlink" && now.kind === "symlink" && old.target !== now.target) found.push("target");
  if ("major" in old && "major" in now && (old.major !== now.major || old.minor !== now.minor)) {
    found.push("device");
  }
  if (old.kind !== "directory" && now.kind !== "directory" && !pairing.agrees(old, now)) found.push("links");
  return found;
}
