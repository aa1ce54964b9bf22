import { type ByteString, throwIfAborted } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import { objectName } from "../format/object-type.ts";
import { type ListedObject, listObjects } from "../read/objects-list.ts";
import { objectKey, Traversal } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";
import { deleteObject } from "./delete-object.ts";

export interface PruneOptions {
  /** Keeps what refs lead to; else what any commit that is there leads to. */
  readonly refsOnly?: boolean;
  /** Parents that are kept of each; -1 for all, which is the default. */
  readonly depth?: number;
  /** Keeps these besides, with their own depths. Given alone, they are all that is kept. */
  readonly commits?: ReadonlyMap<Checksum, number>;
  /** Only `commits` are kept, and neither refs nor others. */
  readonly onlyCommits?: boolean;
  /** Removes only commits, not what they leave behind. */
  readonly commitOnly?: boolean;
  /** Removes nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface PruneResult {
  /** Objects that were looked at. */
  readonly total: number;
  /** Objects that were removed, or would be. */
  readonly removed: number;
  /** Bytes of those. */
  readonly freed: number;
}

/** Types that are objects of their own; detached metadata goes with its commit, and tombstones stay. */
const COUNTED = new Set([
  "file",
  "dirtree",
  "dirmeta",
  "commit",
  "file-xattrs",
  "file-xattrs-link",
  "payload-link",
]);

/** An object that was looked at. */
export interface ExaminedObject extends ListedObject {
  readonly unreachable: boolean;
  /** Bytes of it; looked up when asked for. */
  size(): number;
}

/** Removes what nothing leads to, while nobody writes. Throws `ostree/lock-timeout`. */
export async function prune(repo: Repo, options: PruneOptions = {}): Promise<PruneResult> {
  using _lock = await repo.lock.take(
    "exclusive",
    options.signal === undefined ? {} : { signal: options.signal },
  );
  let total = 0;
  let removed = 0;
  let freed = 0;
  for (const object of examine(repo, options).objects) {
    total++;
    if (!object.unreachable) continue;
    freed += object.size();
    removed++;
    if (options.dryRun !== true) deleteObject(repo, object.checksum, object.type);
  }
  return { total, removed, freed };
}

/** What a collection looks at, and whether all that is to be kept could be followed. */
export interface Examined {
  /** Commits first, so that at no time one is there whose contents are not. */
  readonly objects: Iterable<ExaminedObject>;
  /** False where a commit or a tree that is to be kept is missing or damaged: what hangs below it is not known. */
  readonly complete: boolean;
}

/** Every object of the repository, and whether anything leads to it. Nothing is changed. */
export function examine(repo: Repo, options: PruneOptions = {}): Examined {
  const objects = [...listObjects(repo.objects, repo.mode)].filter(({ type }) => COUNTED.has(type));
  const { reachable, complete } = reach(repo, objects, options);
  const ordered = objects.toSorted((a, b) => Number(b.type === "commit") - Number(a.type === "commit"));
  return { objects: judge(repo, ordered, reachable, options), complete };
}

function* judge(
  repo: Repo,
  objects: readonly ListedObject[],
  reachable: ReadonlySet<string>,
  options: PruneOptions,
): Generator<ExaminedObject> {
  let count = 0;
  for (const { checksum, type } of objects) {
    if (options.commitOnly === true && type !== "commit") continue;
    if ((++count & 0x3ff) === 0) throwIfAborted(options.signal);
    const keep =
      type === "file-xattrs-link" || type === "payload-link" || type === "file-xattrs"
        ? keepsLinked(repo, reachable, { checksum, type })
        : reachable.has(objectKey(checksum, type));
    yield { checksum, type, unreachable: !keep, size: () => sizeOf(repo, checksum, type) };
  }
}

/** Everything that is to be kept. */
function reach(
  repo: Repo,
  objects: readonly ListedObject[],
  options: PruneOptions,
): { readonly reachable: ReadonlySet<string>; readonly complete: boolean } {
  let complete = true;
  const traversal = new Traversal(repo.reader, {
    onMissing: () => (complete = false),
    commitOnly: options.commitOnly ?? false,
  });
  const depth = options.depth ?? -1;
  if (options.onlyCommits !== true) {
    if (options.refsOnly === true)
      for (const { checksum } of repo.refs.listAll()) traversal.addCommit(checksum, depth);
    else
      for (const { checksum, type } of objects) if (type === "commit") traversal.addCommit(checksum, depth);
  }
  for (const [commit, own] of options.commits ?? []) traversal.addCommit(commit, own);
  return { reachable: traversal.reachable, complete };
}

/** What hangs on a content object is kept as long as that is. */
function keepsLinked(repo: Repo, reachable: ReadonlySet<string>, { checksum, type }: ListedObject): boolean {
  if (type === "file-xattrs-link") return reachable.has(objectKey(checksum, "file"));
  using dir = repo.objects.openDirOptional(checksum.slice(0, 2) as ByteString);
  if (type === "file-xattrs") {
    // One more name than itself is a link of a content object.
    return (dir?.statOptional(objectName(checksum, type, repo.mode))?.nlink ?? 0) > 1;
  }
  const target = dir?.readLinkOptional(objectName(checksum, type, repo.mode));
  const match = target === undefined ? null : /^\.\.\/([0-9a-f]{2})\/([0-9a-f]{62})\.file$/.exec(target);
  return match !== null && reachable.has(objectKey(`${match[1]}${match[2]}`, "file"));
}

function sizeOf(repo: Repo, checksum: Checksum, type: ListedObject["type"]): number {
  using dir = repo.objects.openDirOptional(checksum.slice(0, 2) as ByteString);
  return dir?.statOptional(objectName(checksum, type, repo.mode))?.size ?? 0;
}
