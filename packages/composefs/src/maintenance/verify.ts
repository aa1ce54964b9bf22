// fsck: objects against their names, streams and images against what they refer to, refs against what they lead to.
// Order of findings: by folder, in byte order.

import type { VerifyOptions } from "@bootc-store/backend";
import {
  type ByteString,
  displayName,
  type Finding,
  renderError,
  StoreError,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { type Dir, hashFiles, measureVerity, type Pool } from "@bootc-store/linux";

import { isObjectId } from "../algorithm.ts";
import { ObjectStore } from "../objects/store.ts";
import type { Repository } from "../repository/repository.ts";
import { type LinkFolder, linkResolves, listObjectLinks, listRefs } from "../streams/links.ts";
import { isDamage, objectsOfImage, referencesOfStream } from "./references.ts";

/** A finding, and for something that is missing what wants it. */
export interface RepositoryFinding extends Finding {
  /** Path of the stream or image that refers to the object. */
  readonly wantedBy?: string;
  /** Under which name; none for what a stream or image is made of. */
  readonly wantedAs?: string;
}

/** How much was looked at, to be filled in by a check. */
export interface Looked {
  objects: number;
  streams: number;
  images: number;
}

export async function* verifyRepository(
  repository: Repository,
  pool: Pool,
  options: VerifyOptions = {},
  looked: Looked = { objects: 0, streams: 0, images: 0 },
): AsyncGenerator<RepositoryFinding> {
  repository.assertOpen();
  throwIfAborted(options.signal);
  const depth = options.depth ?? "content";
  yield* verifyObjects(repository, pool, depth === "content", options.signal, looked);
  for (const folder of ["streams", "images"] as const) {
    yield* verifyEntries(repository, folder, depth !== "structure", options.signal, looked);
    yield* verifyRefs(repository, folder);
  }
}

/** One directory of objects: what is wrong at a glance, and the names whose content is to be looked at. */
interface Shard {
  readonly entries: number;
  readonly findings: readonly Finding[];
  readonly ids: readonly string[];
}

async function* verifyObjects(
  repository: Repository,
  pool: Pool,
  content: boolean,
  signal: AbortSignal | undefined,
  looked: Looked,
): AsyncGenerator<RepositoryFinding> {
  const shards: Shard[] = [];
  for (const { name, dir } of repository.objects.shards()) {
    throwIfAborted(signal);
    const shard = lookAtShard(repository, name, dir);
    shards.push(shard);
    looked.objects += shard.entries;
  }
  const inputs = shards.map(({ ids }) => ({
    dir: repository.dir.fd,
    files: content ? ids.map((id) => ({ path: utf8(ObjectStore.path(id)) })) : [],
    want: { verity: { verity: { algorithm: repository.algorithm } } },
  }));
  let index = 0;
  for await (const results of pool.map(hashFiles, inputs, signal === undefined ? {} : { signal })) {
    const { findings, ids } = shards[index++] as Shard;
    yield* findings;
    for (const [at, result] of results.entries()) {
      const id = ids[at] as string;
      const path = ObjectStore.path(id);
      if ("error" in result) {
        yield finding(
          "object-unreadable",
          "object",
          id,
          path,
          renderError(StoreError.fromJSON(result.error)),
        );
      } else if (result.digests["verity"] !== id) {
        const actual = result.digests["verity"] ?? "";
        yield {
          ...finding("object-digest-mismatch", "object", id, path, "its content has changed"),
          expected: id,
          actual,
        };
      }
    }
  }
}

function lookAtShard(repository: Repository, shard: ByteString, dir: Dir): Shard {
  const findings: Finding[] = [];
  const ids: string[] = [];
  const entries = dir.list();
  for (const { name, type } of entries) {
    const id = `${shard}${name}`;
    const path = `objects/${shard}/${displayName(name)}`;
    if (!isObjectId(id, repository.algorithm)) {
      findings.push(
        finding(
          "object-name-invalid",
          "object",
          displayName(id as ByteString),
          path,
          "its name is no digest",
        ),
      );
    } else if (type !== "regular") {
      findings.push(finding("object-unreadable", "object", id, path, `it is a ${type}`));
    } else {
      ids.push(id);
      if (repository.secure && !isSealed(dir, name)) {
        findings.push(
          finding("object-verity-missing", "object", id, path, "it has no fs-verity in a secure repository"),
        );
      }
    }
  }
  return { entries: entries.length, findings, ids };
}

function isSealed(dir: Dir, name: ByteString): boolean {
  using file = dir.openFile(name);
  return measureVerity(file).state === "enabled";
}

async function* verifyEntries(
  repository: Repository,
  folder: LinkFolder,
  references: boolean,
  signal: AbortSignal | undefined,
  looked: Looked,
): AsyncGenerator<RepositoryFinding> {
  const kind = folder.slice(0, -1);
  for (const { name, object, link } of listObjectLinks(repository, folder)) {
    throwIfAborted(signal);
    looked[folder]++;
    const id = displayName(name);
    const path = `${folder}/${id}`;
    if (!link) yield finding("entry-not-link", kind, id, path, "it is no link");
    else if (object === undefined)
      yield finding("entry-invalid", kind, id, path, "it leads to something that is no object");
    else if (!repository.objects.has(object) || !linkResolves(repository, `${folder}/${name}` as ByteString))
      yield {
        ...finding("link-broken", kind, id, path, `it does not lead to its object ${object}`),
        expected: object,
      };
    else if (references) yield* verifyReferences(repository, folder, id, object, path);
  }
}

async function* verifyReferences(
  repository: Repository,
  folder: LinkFolder,
  id: string,
  object: string,
  path: string,
): AsyncGenerator<RepositoryFinding> {
  const kind = folder.slice(0, -1);
  try {
    const needed =
      folder === "images"
        ? objectsOfImage(repository, object).map((each): [string, string] => ["", each])
        : await referencesOfStream(repository, id, object).then(({ objects, named }) => [
            ...objects.map((each): [string, string] => ["", each]),
            ...named,
          ]);
    for (const [name, each] of needed) {
      if (repository.objects.has(each)) continue;
      const what = name === "" ? "it is made of" : `it keeps as ${name}`;
      yield {
        ...finding(
          "object-missing",
          "object",
          each,
          ObjectStore.path(each),
          `${path} is whole only with an object that ${what}`,
        ),
        wantedBy: path,
        ...(name === "" ? {} : { wantedAs: name }),
      };
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    yield finding(`${kind}-invalid`, kind, id, path, renderError(error));
  }
}

function* verifyRefs(repository: Repository, folder: LinkFolder): Generator<Finding> {
  for (const { path, link } of listRefs(repository, folder)) {
    const shown = `${folder}/refs/${displayName(path)}`;
    if (!link) yield finding("ref-not-link", "ref", displayName(path), shown, "it is no link");
    else if (!linkResolves(repository, `${folder}/refs/${path}` as ByteString)) {
      yield {
        ...finding("ref-broken", "ref", displayName(path), shown, "it leads nowhere"),
        repair: "remove",
      };
    }
  }
}

function finding(problem: string, kind: string, id: string, path: string, message: string): Finding {
  return {
    code: `composefs/${problem}`,
    severity: "error",
    subject: { backend: "composefs", kind, id, path },
    message: `${path}: ${message}`,
    repair: kind === "object" ? "refetch" : "remove",
  };
}
