// What refers to what: streams to objects and to other streams, images to objects.

import { isStoreError } from "@bootc-store/core";
import { imageObjects } from "@bootc-store/erofs";

import type { Repository } from "../repository/repository.ts";
import { openStreamObject } from "../streams/store.ts";

const MOST_IMAGE = 2 ** 30;

/** Objects that an image refers to, by its id. Throws what is wrong with it. */
export function objectsOfImage(repository: Repository, id: string): ReadonlySet<string> {
  using file = repository.objects.open(id);
  return imageObjects(file.readAll({ limit: MOST_IMAGE }));
}

/** What a stream keeps alive, its objects and by name what else, and what it says it holds. */
export async function referencesOfStream(
  repository: Repository,
  name: string,
  id: string,
): Promise<{
  readonly objects: readonly string[];
  readonly named: ReadonlyMap<string, string>;
  readonly contentType: string;
}> {
  using stream = await openStreamObject(repository, name, id);
  return {
    objects: stream.tables.objects,
    named: stream.tables.references,
    contentType: stream.tables.contentType,
  };
}

/** Whether an error says that something in the store is damaged, and not that it could not be looked at. */
export function isDamage(error: unknown): boolean {
  return (
    isStoreError(error) &&
    (error.kind === "corrupt" || error.kind === "not-found" || error.kind === "unsupported")
  );
}
