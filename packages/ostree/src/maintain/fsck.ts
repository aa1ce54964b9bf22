import { isStoreError, type StoreError, throwIfAborted } from "@bootc-store/core";

import { type Checksum, sha256 } from "../format/checksum.ts";
import { decodeCommit } from "../format/commit.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { decodeDirmeta } from "../format/file-info.ts";
import type { HashedType, ObjectType } from "../format/object-type.ts";
import { listObjects } from "../read/objects-list.ts";
import { type ObjectKey, objectKey } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";
import { partialState } from "../repo/state.ts";
import { type ObjectProblem, verifyFiles } from "./verify-task.ts";

/** An object that is missing or damaged, and the commits that need it. */
export interface DamagedObject {
  readonly checksum: Checksum;
  readonly type: ObjectType;
  readonly problem: ObjectProblem;
  readonly commits: readonly Checksum[];
}

export interface FsckOptions {
  readonly signal?: AbortSignal;
  /** Commits to look at. Default: all that are complete. */
  readonly commits?: readonly Checksum[];
  /** False looks only whether contents are there. Default true. */
  readonly content?: boolean;
}

const BATCH_FILES = 128;

/** Commits of a repository: those that are complete, and those of which parts are known to be missing. */
export function splitCommits(repo: Repo): { readonly complete: Checksum[]; readonly partial: Checksum[] } {
  const complete: Checksum[] = [];
  const partial: Checksum[] = [];
  for (const { checksum, type } of listObjects(repo.objects, repo.mode)) {
    if (type !== "commit") continue;
    (partialState(repo.dir, checksum) === undefined ? complete : partial).push(checksum);
  }
  return { complete, partial };
}

/**
 * Reads and hashes everything that commits refer to, each object once, and yields what is wrong, in a stable order: the
 * commits, what hangs below each, contents last. Metadata is checked on this thread, contents on the pool.
 */
export async function* fsckObjects(repo: Repo, options: FsckOptions = {}): AsyncGenerator<DamagedObject> {
  const check = new Fsck(repo);
  for (const commit of options.commits ?? splitCommits(repo).complete) {
    throwIfAborted(options.signal);
    yield* check.commit(commit);
  }
  yield* check.files(options);
}

class Fsck {
  readonly #repo: Repo;
  /** Objects that were met, and by which commits first. */
  readonly #trees = new Map<Checksum, Checksum>();
  readonly #metas = new Map<Checksum, Checksum>();
  readonly #files = new Map<Checksum, Checksum>();

  constructor(repo: Repo) {
    this.#repo = repo;
  }

  *commit(commit: Checksum): Generator<DamagedObject> {
    const found = this.#read(commit, "commit", decodeCommit);
    if ("problem" in found) yield damaged(commit, "commit", found.problem, commit);
    if (found.value === undefined) return;
    yield* this.#meta(found.value.meta, commit);
    yield* this.#tree(found.value.tree, commit);
  }

  *#tree(checksum: Checksum, commit: Checksum): Generator<DamagedObject> {
    const stack = [checksum];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.#trees.has(next)) continue;
      this.#trees.set(next, commit);
      const found = this.#read(next, "dirtree", decodeDirtree);
      if ("problem" in found) yield damaged(next, "dirtree", found.problem, commit);
      if (found.value === undefined) continue;
      for (const file of found.value.files.values())
        if (!this.#files.has(file)) this.#files.set(file, commit);
      for (const { tree, meta } of [...found.value.dirs.values()].reverse()) {
        yield* this.#meta(meta, commit);
        stack.push(tree);
      }
    }
  }

  *#meta(checksum: Checksum, commit: Checksum): Generator<DamagedObject> {
    if (this.#metas.has(checksum)) return;
    this.#metas.set(checksum, commit);
    const found = this.#read(checksum, "dirmeta", decodeDirmeta);
    if ("problem" in found) yield damaged(checksum, "dirmeta", found.problem, commit);
  }

  /** The object's value, also where its checksum is wrong but it can be read; and what is wrong with it. */
  #read<T>(
    checksum: Checksum,
    type: HashedType,
    decode: (bytes: Uint8Array, format: string) => T,
  ): { readonly value?: T } | { readonly value?: T; readonly problem: ObjectProblem } {
    const bytes = this.#repo.reader.readMetadataOptional(checksum, type);
    if (bytes === undefined) return { problem: { kind: "missing" } };
    const actual = sha256(bytes);
    if (actual !== checksum) return { problem: { kind: "mismatch", actual } };
    try {
      return { value: decode(bytes, objectKey(checksum, type)) };
    } catch (error) {
      if (!isStoreError(error) || error.kind !== "corrupt") throw error;
      return { problem: { kind: "invalid", message: problemOf(error, objectKey(checksum, type)) } };
    }
  }

  async *files(options: FsckOptions): AsyncGenerator<DamagedObject> {
    const { signal } = options;
    const checksums = [...this.#files.keys()];
    if (options.content === false) {
      for (const checksum of checksums) {
        if (!this.#repo.reader.has(checksum, "file")) yield this.#file(checksum, { kind: "missing" });
      }
      return;
    }
    const batches: Checksum[][] = [];
    for (let at = 0; at < checksums.length; at += BATCH_FILES)
      batches.push(checksums.slice(at, at + BATCH_FILES));
    const places = this.#repo.places();
    const inputs = batches.map((batch) => ({ places, checksums: batch }));
    let at = 0;
    for await (const problems of this.#repo.pool.map(
      verifyFiles,
      inputs,
      signal === undefined ? {} : { signal },
    )) {
      const batch = batches[at++] as Checksum[];
      for (const [index, problem] of problems.entries()) {
        if (problem !== undefined) yield this.#file(batch[index] as Checksum, problem);
      }
    }
  }

  #file(checksum: Checksum, problem: ObjectProblem): DamagedObject {
    return damaged(checksum, "file", problem, this.#files.get(checksum) as Checksum);
  }
}

/** The message without the object's name, which whoever shows it says anyway. */
function problemOf(error: StoreError, key: ObjectKey): string {
  return error.message.startsWith(`${key}: `) ? error.message.slice(key.length + 2) : error.message;
}

function damaged(
  checksum: Checksum,
  type: ObjectType,
  problem: ObjectProblem,
  commit: Checksum,
): DamagedObject {
  return { checksum, type, problem, commits: [commit] };
}

/** Which of these commits refer to an object. */
export function commitsWith(repo: Repo, commits: readonly Checksum[], key: ObjectKey): Checksum[] {
  return commits.filter((commit) => {
    const seen = new Set<Checksum>();
    const bytes = repo.reader.readMetadataOptional(commit, "commit");
    if (bytes === undefined) return false;
    if (key === objectKey(commit, "commit")) return true;
    const { tree, meta } = decodeCommit(bytes, objectKey(commit, "commit"));
    if (key === objectKey(meta, "dirmeta")) return true;
    const stack = [tree];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (key === objectKey(next, "dirtree")) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      const tree = repo.reader.readMetadataOptional(next, "dirtree");
      if (tree === undefined) continue;
      try {
        const { files, dirs } = decodeDirtree(tree, objectKey(next, "dirtree"));
        for (const file of files.values()) if (key === objectKey(file, "file")) return true;
        for (const dir of dirs.values()) {
          if (key === objectKey(dir.meta, "dirmeta")) return true;
          stack.push(dir.tree);
        }
      } catch (error) {
        if (!isStoreError(error)) throw error;
      }
    }
    return false;
  });
}
