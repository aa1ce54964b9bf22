// Which attributes make the composefs ids of two trees differ. The trees are compared as they are encoded, so that what is
// found is all there is: taken over from the one to the other, it gives the other's id, which is tried each time.

import { type ByteString, compareByteStrings, displayName, utf8 } from "@bootc-store/core";
import {
  Directory,
  equalContent,
  equalTimes,
  type File,
  type Inode,
  type Leaf,
  type Metadata,
  type Tree,
  Xattrs,
} from "@bootc-store/tree";

import { sameBytes } from "./diff.ts";
import { type EncodedFormat, type EncodedTree, idOfTree } from "./encoded-tree.ts";

/**
 * An attribute on which an id depends.
 *
 * - `format`: of the image as a whole: who wrote it, the version, the digests of its files;
 * - `entry`: that a name is there, with what it stands for;
 * - `kind`: what it stands for, as a whole, the kinds being two;
 * - `label`: `security.selinux`; `xattr`: any other extended attribute, by its name;
 * - `object`: the path of the object that holds a file's content, or that it is in the image itself, the content being the
 *   same;
 * - `links`: which names are one file: `before` and `after` are the first of them.
 */
export type DigestAttribute =
  | "format"
  | "entry"
  | "kind"
  | "permissions"
  | "owner"
  | "mtime"
  | "label"
  | "xattr"
  | "content"
  | "object"
  | "target"
  | "device"
  | "links";

export interface DigestDifference {
  /** Begins with a slash; what cannot be shown is escaped. `/` for the root and the image as a whole. */
  readonly path: string;
  /** The path itself, which two names that are shown alike do not have in common. */
  readonly exactPath: ByteString;
  readonly attribute: DigestAttribute;
  /** Of an extended attribute. */
  readonly name?: string;
  /** What it is in the one and in the other, in a line; absent where it is not there. */
  readonly before?: string;
  readonly after?: string;
}

export interface DigestComparison {
  readonly before: EncodedTree;
  readonly after: EncodedTree;
  readonly differences: readonly DigestDifference[];
  /**
   * Whether the differences, taken over, gave the other's id. Not so where an image was laid out by a program that does it
   * otherwise than those that are known: then that is a difference too, which has no name.
   */
  readonly explained: boolean;
}

/** Compares two trees as they are encoded. Without differences the ids are the same. */
export async function compareDigests(before: EncodedTree, after: EncodedTree): Promise<DigestComparison> {
  const differences = await differencesOf(before, after);
  const explained =
    before.id === after.id || idOfTree(takeOver(before, after, differences), after.format) === after.id;
  return { before, after, differences, explained };
}

async function differencesOf(before: EncodedTree, after: EncodedTree): Promise<DigestDifference[]> {
  const found: DigestDifference[] = [];
  const [old, now] = [formatText(before.format), formatText(after.format)];
  if (old !== now) found.push(different(ROOT, "format", old, now));
  // Digests of two algorithms say nothing of one another; where the bytes are the same, they differ by the format.
  const digestsDiffer = before.format.algorithm !== after.format.algorithm;
  const firstNames = [new Map<Inode, string>(), new Map<Inode, string>()] as const;
  for (const pair of pairsOf(before.tree, after.tree)) {
    const { path, a, b } = pair;
    const known = b !== undefined && firstNames[1].has(b);
    for (const [at, inode] of [a, b].entries()) {
      const names = firstNames[at as 0 | 1];
      if (inode !== undefined && !names.has(inode)) names.set(inode, displayName(path));
    }
    if (a === undefined || b === undefined) {
      const there = (inode: Inode | undefined): string | undefined => inode?.kind;
      found.push(different(path, "entry", there(a), there(b)));
      continue;
    }
    if (!pair.linkedAlike) found.push(different(path, "links", firstNames[0].get(a), firstNames[1].get(b)));
    // A further name of a file has nothing of its own.
    if (known) continue;
    if (a.kind !== b.kind) found.push(different(path, "kind", a.kind, b.kind));
    found.push(...metadataDifferences(path, a.metadata, b.metadata));
    // Of another kind everything else is another too.
    if (a.kind !== b.kind) continue;
    if (a.kind === "file" && b.kind === "file") {
      const otherwise = digestsDiffer || a.content.kind !== b.content.kind;
      const same =
        a.size === b.size &&
        (equalContent(a.content, b.content) || (otherwise && (await sameBytes(before, a, after, b))));
      if (!same) found.push(different(path, "content", contentText(a), contentText(b)));
      else if (!digestsDiffer && objectPath(a) !== objectPath(b))
        found.push(different(path, "object", objectPath(a), objectPath(b)));
    }
    if (a.kind === "symlink" && b.kind === "symlink" && a.target !== b.target)
      found.push(different(path, "target", displayName(a.target), displayName(b.target)));
    if ("major" in a && "major" in b && (a.major !== b.major || a.minor !== b.minor))
      found.push(different(path, "device", `${a.major}:${a.minor}`, `${b.major}:${b.minor}`));
  }
  return found;
}

/** A format in a line. */
export function formatText(format: EncodedFormat): string {
  const version =
    format.writer === "composefs-rs"
      ? `V${format.version} of composefs-rs`
      : `version ${format.minVersion === format.maxVersion ? format.minVersion : `${format.minVersion} to ${format.maxVersion}`} of mkcomposefs`;
  return `${version}, ${format.algorithm}`;
}

const ROOT = utf8("/");

function different(
  path: ByteString,
  attribute: DigestAttribute,
  before: string | undefined,
  after: string | undefined,
  name?: string,
): DigestDifference {
  return {
    path: displayName(path),
    exactPath: path,
    attribute,
    ...(name === undefined ? {} : { name }),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

const LABEL = "security.selinux";

function metadataDifferences(path: ByteString, a: Metadata, b: Metadata): DigestDifference[] {
  const found: DigestDifference[] = [];
  const mode = ({ mode: bits }: Metadata): string => (bits & 0o7777).toString(8).padStart(4, "0");
  const owner = ({ uid, gid }: Metadata): string => `${uid}:${gid}`;
  const time = ({ mtime }: Metadata): string => `${mtime.sec}.${String(mtime.nsec).padStart(9, "0")}`;
  if (mode(a) !== mode(b)) found.push(different(path, "permissions", mode(a), mode(b)));
  if (owner(a) !== owner(b)) found.push(different(path, "owner", owner(a), owner(b)));
  if (!equalTimes(a.mtime, b.mtime)) found.push(different(path, "mtime", time(a), time(b)));
  const [old, now] = [new Map(a.xattrs), new Map(b.xattrs)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort(compareByteStrings);
  const show = (value: ByteString | undefined): string | undefined =>
    value === undefined ? undefined : displayName(value);
  for (const name of names) {
    const [x, y] = [old.get(name), now.get(name)];
    if (x === y) continue;
    if (name === LABEL) found.push(different(path, "label", show(x), show(y)));
    else found.push(different(path, "xattr", show(x), show(y), displayName(name)));
  }
  return found;
}

function contentText({ size, content }: File): string {
  const digest = content.kind === "external" ? content.verity?.hex : undefined;
  return digest === undefined ? `${size} bytes` : `${size} bytes, ${digest}`;
}

function objectPath({ content }: File): string | undefined {
  return content.kind === "external" ? content.key : undefined;
}

/** What a path stands for in either tree. */
interface Pair {
  readonly path: ByteString;
  readonly name: ByteString | undefined;
  /** Number of the pair of the directory above in the order of pairs. */
  readonly parent: number;
  readonly a: Inode | undefined;
  readonly b: Inode | undefined;
  readonly linkedAlike: boolean;
}

/** Every path of either tree, a directory before what it holds; below what only one has, all of it. */
function* pairsOf(before: Tree, after: Tree): Generator<Pair> {
  const [forward, backward] = [new Map<Leaf, Leaf>(), new Map<Leaf, Leaf>()];
  const alike = (a: Inode | undefined, b: Inode | undefined): boolean => {
    if (a === undefined || b === undefined || a.kind === "directory" || b.kind === "directory") return true;
    const [to, from] = [forward.get(a), backward.get(b)];
    if (to === undefined && from === undefined) {
      forward.set(a, b);
      backward.set(b, a);
      return true;
    }
    return to === b && from === a;
  };
  const waiting: { pair: Omit<Pair, "linkedAlike">; prefix: string }[] = [
    {
      pair: { path: ROOT, name: undefined, parent: -1, a: before.root, b: after.root },
      prefix: "/",
    },
  ];
  let number = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { pair, prefix } = next;
    yield { ...pair, linkedAlike: alike(pair.a, pair.b) };
    const self = number++;
    const old = pair.a?.kind === "directory" ? pair.a : undefined;
    const now = pair.b?.kind === "directory" ? pair.b : undefined;
    const names = new Set([...(old ?? [])].map(([name]) => name));
    for (const [name] of now ?? []) names.add(name);
    // The last is taken first.
    for (const name of [...names].sort(compareByteStrings).reverse()) {
      const path = `${prefix}${name}` as ByteString;
      const child = { path, name, parent: self, a: old?.get(name), b: now?.get(name) };
      waiting.push({ pair: child, prefix: `${path}/` });
    }
  }
}

/** The tree of `before` with these attributes as they are in `after`. */
export function takeOver(
  before: EncodedTree,
  after: EncodedTree,
  differences: readonly DigestDifference[],
): Tree {
  const byPath = new Map<ByteString, DigestDifference[]>();
  for (const each of differences) byPath.set(each.exactPath, [...(byPath.get(each.exactPath) ?? []), each]);
  const rehashed = byPath.get(ROOT)?.some(({ attribute }) => attribute === "format") === true;
  const made: (Directory | undefined)[] = [];
  const links = new Links();
  for (const { path, name, parent, a, b } of pairsOf(before.tree, after.tree)) {
    const taken = byPath.get(path) ?? [];
    const has = (attribute: DigestAttribute): boolean => taken.some((each) => each.attribute === attribute);
    const above = made[parent];
    const kept = a === undefined || b === undefined ? (has("entry") ? b : a) : has("kind") ? b : a;
    // Below a directory that is no longer one there is nothing.
    if (kept === undefined || (above === undefined && parent >= 0)) {
      made.push(undefined);
      continue;
    }
    const metadata = a === undefined || b === undefined ? kept.metadata : merged(a, b, kept, taken);
    if (kept.kind === "directory") {
      const directory = new Directory(metadata);
      above?.set(name as ByteString, directory);
      made.push(directory);
      continue;
    }
    made.push(undefined);
    const asAfter = has("links") || kept !== a;
    const leaf = links.leaf(leafIn(a), leafIn(b), asAfter, () => {
      const other = a?.kind === b?.kind ? leafIn(b) : undefined;
      return leafOf(kept, other, metadata, has, rehashed);
    });
    above?.set(name as ByteString, leaf);
  }
  const root = made[0];
  if (root === undefined) throw new RangeError("a tree has lost its root");
  return { root };
}

function leafIn(inode: Inode | undefined): Leaf | undefined {
  return inode?.kind === "directory" ? undefined : inode;
}

function merged(a: Inode, b: Inode, kept: Inode, taken: readonly DigestDifference[]): Metadata {
  const has = (attribute: DigestAttribute): boolean => taken.some((each) => each.attribute === attribute);
  const type = kept.metadata.mode & ~0o7777;
  const from = (attribute: DigestAttribute): Metadata => (has(attribute) ? b : a).metadata;
  const xattrs = new Map(a.metadata.xattrs);
  const now = new Map(b.metadata.xattrs);
  for (const name of new Set([...xattrs.keys(), ...now.keys()])) {
    const named = taken.some((each) =>
      name === LABEL ? each.attribute === "label" : each.name === displayName(name),
    );
    if (!named) continue;
    const value = now.get(name);
    if (value === undefined) xattrs.delete(name);
    else xattrs.set(name, value);
  }
  const { uid, gid } = from("owner");
  return {
    mode: type | (from("permissions").mode & 0o7777),
    uid,
    gid,
    mtime: from("mtime").mtime,
    xattrs: Xattrs.from([...xattrs]),
  };
}

function leafOf(
  kept: Leaf,
  other: Leaf | undefined,
  metadata: Metadata,
  has: (attribute: DigestAttribute) => boolean,
  rehashed: boolean,
): Leaf {
  if (kept.kind === "file" && other?.kind === "file") {
    const named = has("content") || has("object");
    const { size, content } = named || (rehashed && kept.size === other.size) ? other : kept;
    return { ...kept, metadata, size, content };
  }
  if (kept.kind === "symlink" && other?.kind === "symlink" && has("target"))
    return { ...kept, metadata, target: other.target };
  if ("major" in kept && other !== undefined && "major" in other && has("device"))
    return { ...kept, metadata, major: other.major, minor: other.minor };
  return { ...kept, metadata };
}

/** Which names of the new tree are one file: as in `before`, or as in `after` where that was taken over. */
class Links {
  readonly #byOld = new Map<Leaf, Leaf>();
  readonly #byNew = new Map<Leaf, Leaf>();
  /** Files of `after` under names that `before` does not have. */
  readonly #added = new Map<Leaf, Leaf>();

  leaf(old: Leaf | undefined, now: Leaf | undefined, asAfter: boolean, make: () => Leaf): Leaf {
    const kept = asAfter ? undefined : old;
    const known =
      kept === undefined ? lookUp(this.#byNew, now) : (this.#byOld.get(kept) ?? lookUp(this.#added, now));
    const leaf = known ?? make();
    if (kept !== undefined) this.#byOld.set(kept, leaf);
    if (now !== undefined && !this.#byNew.has(now)) this.#byNew.set(now, leaf);
    if (now !== undefined && old === undefined) this.#added.set(now, leaf);
    return leaf;
  }
}

function lookUp(map: ReadonlyMap<Leaf, Leaf>, key: Leaf | undefined): Leaf | undefined {
  return key === undefined ? undefined : map.get(key);
}
