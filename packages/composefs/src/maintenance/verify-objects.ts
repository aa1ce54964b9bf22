// The objects' part of a check: names at a glance, and what is in them on the workers.

import {
  type ByteString,
  displayName,
  type Finding,
  renderError,
  StoreError,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { type Dir, measureVerity, type Pool } from "@bootc-store/linux";

import { isObjectId } from "../algorithm.ts";
import { ObjectStore } from "../objects/store.ts";
import type { Repository } from "../repository/repository.ts";
import { finding } from "./finding.ts";
import { type CheckObjectsInput, checkObjects, type ObjectProblem } from "./tasks.ts";

/** What lies in `objects/`. */
export interface ListedObjects {
  /** Entries, whatever they are. */
  readonly entries: number;
  /** Ids of the regular files. */
  readonly ids: ReadonlySet<string>;
  readonly shards: readonly ListedShard[];
}

interface ListedShard {
  readonly name: ByteString;
  readonly files: readonly ByteString[];
  readonly findings: readonly Finding[];
}

export function listObjects(repository: Repository, signal: AbortSignal | undefined): ListedObjects {
  const ids = new Set<string>();
  const shards: ListedShard[] = [];
  let entries = 0;
  for (const { name, dir } of repository.objects.shards()) {
    throwIfAborted(signal);
    const listed = dir.list();
    entries += listed.length;
    const files: ByteString[] = [];
    const findings: Finding[] = [];
    for (const entry of listed) {
      const id = `${name}${entry.name}`;
      const problem = problemOfEntry(repository, dir, id, entry);
      if (problem !== undefined) findings.push(problem);
      if (entry.type !== "regular" || !isObjectId(id, repository.algorithm)) continue;
      files.push(entry.name);
      ids.add(id);
    }
    shards.push({ name, files, findings });
  }
  return { entries, ids, shards };
}

function problemOfEntry(
  repository: Repository,
  dir: Dir,
  id: string,
  { name, type }: { readonly name: ByteString; readonly type: string },
): Finding | undefined {
  const path = (): string => `objects/${displayName(id.slice(0, 2) as ByteString)}/${displayName(name)}`;
  if (!isObjectId(id, repository.algorithm)) {
    const shown = displayName(id as ByteString);
    return finding("object-name-invalid", "object", shown, path(), "its name is no digest");
  }
  if (type !== "regular") return finding("object-unreadable", "object", id, path(), `it is a ${type}`);
  if (!repository.secure || isSealed(dir, name)) return undefined;
  return finding("object-verity-missing", "object", id, path(), "it has no fs-verity in a secure repository");
}

function isSealed(dir: Dir, name: ByteString): boolean {
  using file = dir.openFile(name);
  return measureVerity(file).state === "enabled";
}

/** Findings about the objects by their names in byte order. Without `content` only the names are looked at. */
export async function* verifyObjects(
  repository: Repository,
  { shards }: ListedObjects,
  pool: Pool,
  content: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Finding> {
  if (!content || shards.length === 0) {
    for (const shard of shards) yield* shard.findings;
    return;
  }
  using objects = repository.dir.openDir(utf8("objects"));
  const groups = portions(shards, Math.max(1, pool.size));
  const inputs = groups.map((group): CheckObjectsInput => ({
    objects: objects.fd,
    algorithm: repository.algorithm,
    shards: group.map(({ name, files }) => ({ name, files })),
  }));
  let index = 0;
  for await (const problems of pool.map(checkObjects, inputs, signal === undefined ? {} : { signal })) {
    for (const { name, findings } of groups[index++] ?? []) {
      yield* findings;
      for (const problem of problems) if (problem.id.startsWith(name)) yield findingOf(problem);
    }
  }
}

/** So many files at most are one portion, so that it can be held. */
const MOST_FILES = 8192;

/**
 * What one worker gets at a time: first much, so that all have enough to do while the others and this thread still begin, then less
 * and less, so that all end together.
 */
function portions(shards: readonly ListedShard[], workers: number): ListedShard[][] {
  const groups: ListedShard[][] = [];
  let left = shards.reduce((sum, { files }) => sum + files.length, 0);
  for (let at = 0; at < shards.length;) {
    const most = Math.min(MOST_FILES, left / (2 * workers));
    const group: ListedShard[] = [];
    let files = 0;
    for (; at < shards.length && (group.length === 0 || files < most); at++) {
      const shard = shards[at];
      if (shard === undefined) break;
      group.push(shard);
      files += shard.files.length;
    }
    left -= files;
    groups.push(group);
  }
  return groups;
}

function findingOf(problem: ObjectProblem): Finding {
  const { id } = problem;
  const path = ObjectStore.path(id);
  if ("error" in problem) {
    const message = renderError(StoreError.fromJSON(problem.error));
    return finding("object-unreadable", "object", id, path, message);
  }
  return {
    ...finding("object-digest-mismatch", "object", id, path, "its content has changed"),
    expected: id,
    actual: problem.actual,
  };
}
