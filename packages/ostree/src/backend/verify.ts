import type { VerifyOptions } from "@bootc-store/backend";
import { type Finding, throwIfAborted } from "@bootc-store/core";

import { objectName, parseObjectName } from "../format/object-type.ts";
import { type DamagedObject, fsckObjects, splitCommits } from "../maintain/fsck.ts";
import { objectKey } from "../read/traverse.ts";
import { isTempName } from "@bootc-store/linux";
import type { Repo } from "../repo/repo.ts";
import { shownRef } from "./roots.ts";

/** A finding, and for an object that is damaged or missing commits that need it: of many, some. */
export interface RepoFinding extends Finding {
  readonly commits?: readonly string[];
}

/**
 * What is wrong with a repository, in a stable order: names, refs, commits that are not complete, then objects by the
 * commits that need them. `structure` reads no commit, `references` reads all metadata, `content` everything.
 */
export async function* verifyRepo(repo: Repo, options: VerifyOptions = {}): AsyncGenerator<RepoFinding> {
  const { depth = "content", signal } = options;
  yield* strayNames(repo, signal);
  for (const found of repo.refs.listAll()) {
    if (repo.reader.has(found.checksum, "commit")) continue;
    yield {
      code: "ostree/ref-dangling",
      severity: "error",
      subject: { backend: "ostree", kind: "ref", id: shownRef(found) },
      message: `the ref ${shownRef(found)} is of the commit ${found.checksum}, which is not there`,
      expected: found.checksum,
      repair: "refetch",
    };
  }
  const { complete, partial } = splitCommits(repo);
  for (const checksum of partial) {
    yield {
      code: "ostree/commit-partial",
      severity: "note",
      subject: { backend: "ostree", kind: "commit", id: checksum },
      message: `the commit ${checksum} is marked as not complete`,
      repair: "refetch",
    };
  }
  if (depth === "structure") return;
  const wanted = {
    commits: complete,
    content: depth === "content",
    ...(signal === undefined ? {} : { signal }),
  };
  for await (const object of fsckObjects(repo, wanted)) yield damageOf(repo, object);
}

function* strayNames(repo: Repo, signal: AbortSignal | undefined): Generator<Finding> {
  for (const shard of repo.objects.list()) {
    throwIfAborted(signal);
    if (isTempName(shard.name)) continue;
    if (shard.type !== "directory" || !/^[0-9a-f]{2}$/.test(shard.name)) {
      yield stray(shard.name);
      continue;
    }
    using dir = repo.objects.openDirOptional(shard.name);
    for (const { name } of dir?.list() ?? []) {
      if (isTempName(name) || parseObjectName(shard.name, name, repo.mode) !== undefined) continue;
      yield stray(`${shard.name}/${name}`);
    }
  }
}

function stray(path: string): Finding {
  return {
    code: "ostree/name-stray",
    severity: "warning",
    subject: { backend: "ostree", kind: "file", id: path, path: `objects/${path}` },
    message: `objects/${path} is the name of no object`,
    repair: "none",
  };
}

function damageOf(repo: Repo, { checksum, type, problem, commits }: DamagedObject): RepoFinding {
  const key = objectKey(checksum, type);
  const path = `objects/${checksum.slice(0, 2)}/${objectName(checksum, type, repo.mode)}`;
  const needed = `needed by the commit ${commits.join(", ")}`;
  const common = {
    severity: "error",
    subject: { backend: "ostree", kind: type === "commit" ? "commit" : "object", id: key, path },
    repair: "refetch",
    commits,
  } as const;
  if (problem.kind === "missing")
    return { ...common, code: "ostree/object-missing", message: `${key} is not there, ${needed}` };
  if (problem.kind === "mismatch") {
    return {
      ...common,
      code: "ostree/object-damaged",
      message: `${key} has other content than its name says, ${needed}`,
      expected: checksum,
      actual: problem.actual,
    };
  }
  return {
    ...common,
    code: "ostree/object-invalid",
    message: `${key} cannot be read, ${needed}: ${problem.message}`,
  };
}
