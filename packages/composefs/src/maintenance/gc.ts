// Collection, as cfsctl does it: objects that nothing marks are removed, then the links that lead to none. Unlike there, it
// looks at everything before it removes anything, so that what cannot be understood never ends it half way.

import type { Garbage, GcOptions, GcPlan, GcResult, Root } from "@bootc-store/backend";
import { type ByteString, throwIfAborted, utf8 } from "@bootc-store/core";

import { isObjectId } from "../algorithm.ts";
import { LINK_PREFIX } from "../objects/names.ts";
import { ObjectStore } from "../objects/store.ts";
import type { Repository } from "../repository/repository.ts";
import { type LinkFolder, listObjectLinks } from "../streams/links.ts";
import { mark, type Marked, rootsOf } from "./mark.ts";

export async function planGc(repository: Repository, options: GcOptions = {}): Promise<GcPlan> {
  throwIfAborted(options.signal);
  const roots = [...rootsOf(repository), ...(options.keep ?? [])];
  const garbage = await findGarbage(repository, roots, options.signal);
  return { kind: "composefs", roots, garbage, bytes: sumOf(garbage) };
}

/** Marks again with nobody else in the repository, and removes what the plan names and is still unreachable. */
export async function applyGc(
  repository: Repository,
  plan: GcPlan,
  options: { readonly signal?: AbortSignal; readonly lockTimeout?: number } = {},
): Promise<GcResult> {
  throwIfAborted(options.signal);
  return await repository.exclusively(async () => {
    const own = [...rootsOf(repository)];
    const known = new Set(own.map(keyOf));
    // What only the caller wanted kept stays wanted; the repository's own refs are read anew.
    const extra = plan.roots.filter((root) => !known.has(keyOf(root)) && isExtra(root));
    const garbage = new Set(
      (await findGarbage(repository, [...own, ...extra], options.signal)).map(garbageKey),
    );
    const removed: Garbage[] = [];
    const kept: Garbage[] = [];
    // Links first: what is named must be there, and if this ends here, objects without a name are left for the next time.
    for (const each of [...plan.garbage].sort((a, b) => orderOf(a) - orderOf(b))) {
      throwIfAborted(options.signal);
      if (garbage.has(garbageKey(each)) && remove(repository, each)) removed.push(each);
      else kept.push(each);
    }
    return { removed, kept, bytes: sumOf(removed) };
  }, options);
}

/** Kinds of roots that this repository has itself; one of them that is gone by now is wanted no more. */
const OWN_KINDS = new Set(["tag", "image-ref", "stream-ref"]);

function isExtra(root: Root): boolean {
  return root.backend !== "composefs" || !OWN_KINDS.has(root.kind);
}

async function findGarbage(
  repository: Repository,
  roots: readonly Root[],
  signal: AbortSignal | undefined,
): Promise<Garbage[]> {
  const targets: string[] = [];
  const objects = new Set<string>();
  for (const { target } of roots) {
    // A caller may want an object kept that no entry names.
    if (isObjectId(target, repository.algorithm) && !isEntry(repository, target)) objects.add(target);
    else targets.push(target);
  }
  const marked = await mark(repository, targets, signal);
  return [
    ...unmarkedLinks(repository, "images", marked),
    ...unmarkedLinks(repository, "streams", marked),
    ...unmarkedObjects(repository, marked, objects, signal),
    ...leftovers(repository),
  ];
}

function isEntry(repository: Repository, name: string): boolean {
  return (
    repository.dir.statOptional(utf8(`images/${name}`)) !== undefined ||
    repository.dir.statOptional(utf8(`streams/${name}`)) !== undefined
  );
}

/** Links whose object goes. One that shares its object with something alive stays, as with cfsctl. */
function* unmarkedLinks(repository: Repository, folder: LinkFolder, marked: Marked): Generator<Garbage> {
  for (const { name, object } of listObjectLinks(repository, folder)) {
    if (object !== undefined && !marked.objects.has(object))
      yield { kind: folder.slice(0, -1), id: name, bytes: 0 };
  }
}

function* unmarkedObjects(
  repository: Repository,
  marked: Marked,
  kept: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Generator<Garbage> {
  for (const { name: shard, dir } of repository.objects.shards()) {
    throwIfAborted(signal);
    for (const { name, type } of dir.list()) {
      const id = `${shard}${name}`;
      // What is no object is not ours to remove; the check names it.
      if (type !== "regular" || !isObjectId(id, repository.algorithm)) continue;
      if (marked.objects.has(id) || kept.has(id)) continue;
      yield { kind: "object", id, bytes: dir.stat(name).size };
    }
  }
}

/** Temporary links of a program that was killed between making and renaming one. */
function* leftovers(repository: Repository): Generator<Garbage> {
  for (const { name, type } of repository.dir.list()) {
    if (type === "symlink" && name.startsWith(".symlink-")) yield { kind: "leftover", id: name, bytes: 0 };
  }
  using objects = repository.dir.openDirOptional(utf8("objects"));
  for (const { name, type } of objects?.list() ?? []) {
    if (type === "regular" && name.startsWith(LINK_PREFIX))
      yield { kind: "leftover", id: `objects/${name}`, bytes: 0 };
  }
}

function remove(repository: Repository, { kind, id }: Garbage): boolean {
  const path = kind === "object" ? ObjectStore.path(id) : kind === "leftover" ? id : `${kind}s/${id}`;
  return repository.dir.removeOptional(path as ByteString);
}

function orderOf({ kind }: Garbage): number {
  return kind === "object" ? 1 : 0;
}

function keyOf(root: Root): string {
  return `${root.kind} ${root.name}`;
}

function garbageKey({ kind, id }: Garbage): string {
  return `${kind} ${id}`;
}

function sumOf(garbage: readonly Garbage[]): number {
  return garbage.reduce((sum, { bytes }) => sum + bytes, 0);
}
