// What a repair from another store needs to know of a damaged repository, and to take out of the way: writers believe what
// is there.

import { type Digest, type OperationOptions, throwIfAborted, utf8 } from "@bootc-store/core";

import { ObjectStore } from "../objects/store.ts";
import type { Repository } from "../repository/repository.ts";
import { documentStreamName } from "../oci/documents.ts";
import { layerStreamName } from "../oci/layer.ts";
import { type LinkFolder, listObjectLinks, writeObjectLink } from "../streams/links.ts";
import { isDamage, objectsOfImage, referencesOfStream } from "./references.ts";
import type { RepositoryFinding } from "./verify.ts";

/** What is damaged or missing, and whatever is not whole for it. */
export interface Broken {
  readonly objects: ReadonlySet<string>;
  /** Names in `streams/` and `images/`, each with the damaged or missing objects that it is known to need. */
  readonly streams: ReadonlyMap<string, readonly string[]>;
  readonly images: ReadonlyMap<string, readonly string[]>;
  /** Of the objects those that nothing refers to; none where not everything could be read. */
  readonly unneeded: ReadonlySet<string>;
}

/** Objects that findings say are damaged or missing. */
export function brokenObjects(findings: Iterable<RepositoryFinding>): Set<string> {
  const objects = new Set<string>();
  for (const { code, subject, expected } of findings) {
    if (subject.kind === "object" && code !== "composefs/object-name-invalid") objects.add(subject.id);
    else if (code === "composefs/link-broken" && expected !== undefined) objects.add(expected);
  }
  return objects;
}

/** Gives objects the names back that findings say are gone. Returns these names. */
export async function restoreLinks(
  repository: Repository,
  findings: Iterable<RepositoryFinding>,
  options: OperationOptions = {},
): Promise<string[]> {
  const missing = [...findings].filter(
    ({ code, expected }) => code === "composefs/link-missing" && expected !== undefined,
  );
  if (missing.length === 0) return [];
  return await repository.exclusively(async () => {
    await Promise.resolve();
    const restored: string[] = [];
    for (const { subject, expected = "" } of missing) {
      const folder: LinkFolder = subject.kind === "image" ? "images" : "streams";
      // Somebody may have been faster, or have collected it.
      if (!repository.objects.has(expected)) continue;
      if (repository.dir.statOptional(utf8(`${folder}/${subject.id}`)) !== undefined) continue;
      writeObjectLink(repository, folder, subject.id, expected);
      restored.push(`${folder}/${subject.id}`);
    }
    return restored;
  }, options);
}

/** Which streams and images are not whole, by what a check found. */
export async function findBroken(
  repository: Repository,
  findings: readonly RepositoryFinding[],
  { signal }: OperationOptions = {},
): Promise<Broken> {
  const objects = brokenObjects(findings);
  const named = {
    streams: new Map<string, readonly string[]>(),
    images: new Map<string, readonly string[]>(),
  };
  const told = new Set(
    findings
      .filter(({ severity }) => severity === "error")
      .map(({ subject }) => `${subject.kind}s/${subject.id}`),
  );
  const unneeded = new Set(objects);
  for (const folder of ["streams", "images"] as const) {
    for (const { name, object } of listObjectLinks(repository, folder)) {
      throwIfAborted(signal);
      const needed = object === undefined ? undefined : await neededOf(repository, folder, name, object);
      if (needed === undefined) unneeded.clear();
      const known = needed ?? (object === undefined ? [] : [object]);
      const hit = known.filter((each) => objects.has(each));
      for (const each of hit) unneeded.delete(each);
      if (needed === undefined || hit.length > 0 || told.has(`${folder}/${name}`))
        named[folder].set(name, hit);
    }
  }
  return { objects, ...named, unneeded };
}

/** Every object that a name keeps alive, its own with them; `undefined` where that cannot be told. */
async function neededOf(
  repository: Repository,
  folder: LinkFolder,
  name: string,
  object: string,
): Promise<readonly string[] | undefined> {
  try {
    if (folder === "images") return [object, ...objectsOfImage(repository, object)];
    const { objects, named } = await referencesOfStream(repository, name, object);
    return [object, ...objects, ...named.values()];
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** Names of the streams that an image is made of. */
export function streamsOfImage(image: {
  readonly manifest: { readonly digest: Digest };
  readonly config: { readonly digest: Digest };
  readonly layers: readonly { readonly diffId: Digest }[];
}): string[] {
  return [
    documentStreamName("manifest", image.manifest.digest),
    documentStreamName("config", image.config.digest),
    ...image.layers.map(({ diffId }) => layerStreamName(diffId)),
  ];
}

/** Takes streams, images and objects away, names first, with nobody else in the repository. */
export async function removeBroken(
  repository: Repository,
  {
    streams,
    images,
    objects,
  }: {
    readonly streams: Iterable<string>;
    readonly images: Iterable<string>;
    readonly objects: Iterable<string>;
  },
  options: OperationOptions = {},
): Promise<void> {
  await repository.exclusively(async () => {
    await Promise.resolve();
    for (const name of streams) repository.dir.removeOptional(utf8(`streams/${name}`));
    for (const name of images) repository.dir.removeOptional(utf8(`images/${name}`));
    for (const id of objects) repository.dir.removeOptional(utf8(ObjectStore.path(id)));
  }, options);
}
