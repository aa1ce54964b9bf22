// fsck: objects against their names, streams and images against what they refer to, refs against what they lead to.
// Order of findings: by folder, in byte order.

import type { VerifyOptions } from "@bootc-store/backend";
import {
  type ByteString,
  displayName,
  type Finding,
  isStoreError,
  renderError,
  throwIfAborted,
  parseDigestOptional,
  utf8,
} from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";

import { isObjectId } from "../algorithm.ts";
import { ObjectStore } from "../objects/store.ts";
import { digestOfStreamName, readDocument } from "../oci/documents.ts";
import { CONTENT_TYPES } from "../splitstream/layout.ts";
import type { Repository } from "../repository/repository.ts";
import { type LinkFolder, linkResolves, listObjectLinks, listRefs } from "../streams/links.ts";
import { finding } from "./finding.ts";
import { isDamage, objectsOfImage, referencesOfStream } from "./references.ts";
import { listObjects, verifyObjects } from "./verify-objects.ts";

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
  const { signal } = options;
  throwIfAborted(signal);
  const depth = options.depth ?? "content";
  const listed = listObjects(repository, signal);
  looked.objects += listed.entries;
  const ofObjects = verifyObjects(repository, listed, pool, depth === "content", signal);
  const ofLinks = verifyLinks(repository, listed.ids, depth !== "structure", signal, looked);
  try {
    // The workers begin with the first; what is linked is looked at here meanwhile, and told after what they find.
    const first = ofObjects.next();
    const early = await Promise.all([takeSome(ofLinks, MOST_WAITING), first]).then(([some]) => some);
    for (let next = await first; next.done !== true; next = await ofObjects.next()) yield next.value;
    yield* early;
    yield* ofLinks;
  } finally {
    await ofObjects.return(undefined);
    await ofLinks.return(undefined);
  }
}

/** Findings that wait to be told; beyond them the check waits too. */
const MOST_WAITING = 10_000;

async function takeSome<T>(from: AsyncGenerator<T>, most: number): Promise<T[]> {
  const some: T[] = [];
  while (some.length < most) {
    const next = await from.next();
    if (next.done === true) break;
    some.push(next.value);
  }
  return some;
}

async function* verifyLinks(
  repository: Repository,
  known: ReadonlySet<string>,
  references: boolean,
  signal: AbortSignal | undefined,
  looked: Looked,
): AsyncGenerator<RepositoryFinding> {
  // What was not there a moment ago may be there now.
  const has = (id: string): boolean => known.has(id) || repository.objects.has(id);
  const layers = new LayerNames();
  for (const folder of ["streams", "images"] as const) {
    yield* verifyEntries(repository, folder, has, references ? layers : undefined, signal, looked);
    if (folder === "streams") {
      yield* layers.swapped();
      yield* otherDocuments(repository, layers, signal);
    }
    yield* verifyRefs(repository, folder);
  }
  for (const { folder, name, object, wantedBy } of layers.names()) {
    // An object that is missing is told of; without a name nobody finds one that is there.
    if (!has(object) || repository.dir.statOptional(utf8(`${folder}/${name}`)) !== undefined) continue;
    yield {
      ...finding(
        "link-missing",
        folder.slice(0, -1),
        name,
        `${folder}/${name}`,
        "its object has no such name",
      ),
      expected: object,
      wantedBy,
    };
  }
}

/** Layers' streams by what configurations say of them: two links that were swapped lead to whole streams, of other layers. */
class LayerNames {
  /** Diff ids by the object that some configuration names for them. */
  readonly #named = new Map<string, Set<string>>();
  /** Names that are counted on, by folder and name. */
  readonly #wanted = new Map<string, { readonly object: string; readonly stream: string }>();
  readonly links: { readonly name: string; readonly object: string; readonly contentType: string }[] = [];

  add(name: string, object: string, named: ReadonlyMap<string, string>, contentType: string): void {
    this.links.push({ name, object, contentType });
    this.#want(name, named);
    if (!name.startsWith("oci-config-")) return;
    for (const [diffId, each] of named) {
      if (parseDigestOptional(diffId) === undefined) continue;
      const known = this.#named.get(each);
      if (known === undefined) this.#named.set(each, new Set([diffId]));
      else known.add(diffId);
    }
  }

  /** Names in `streams/` and `images/` that manifests and configurations count on, each with its object. */
  *names(): Generator<{
    readonly folder: LinkFolder;
    readonly name: string;
    readonly object: string;
    readonly wantedBy: string;
  }> {
    for (const [key, { object, stream }] of this.#wanted) {
      const [folder, name = ""] = key.split("/") as [LinkFolder, string?];
      yield { folder, name, object, wantedBy: `streams/${stream}` };
    }
  }

  #want(stream: string, named: ReadonlyMap<string, string>): void {
    const manifest = stream.startsWith("oci-manifest-");
    if (!manifest && !stream.startsWith("oci-config-")) return;
    for (const [as, object] of named) {
      const config = /^config:(.+)$/.exec(as)?.[1];
      if (config !== undefined) this.#wanted.set(`streams/oci-config-${config}`, { object, stream });
      else if (/^composefs\.image(?:\.|$)/.test(as)) this.#wanted.set(`images/${object}`, { object, stream });
      else if (!manifest && parseDigestOptional(as) !== undefined)
        this.#wanted.set(`streams/${LAYER}${as}`, { object, stream });
    }
  }

  *swapped(): Generator<RepositoryFinding> {
    for (const { name, object, contentType } of this.links) {
      const kind = /^oci-(layer|config|manifest)-/.exec(name)?.[1] as
        | "layer"
        | "config"
        | "manifest"
        | undefined;
      // A layer of an artifact is no tar, and is kept as it is.
      const blob = kind === "layer" && contentType === CONTENT_TYPES.blob;
      if (kind !== undefined && !blob && contentType !== CONTENT_TYPES[kind]) {
        const what = `it leads to a stream of ${contentType}`;
        yield { ...finding("link-mismatch", "stream", name, `streams/${name}`, what), actual: object };
        continue;
      }
      if (kind !== "layer") continue;
      const others = this.#named.get(object);
      if (others === undefined || others.has(name.slice(LAYER.length))) continue;
      const [other = ""] = others;
      yield {
        ...finding(
          "link-mismatch",
          "stream",
          name,
          `streams/${name}`,
          `it leads to the stream of the layer ${other}`,
        ),
        actual: object,
      };
    }
  }
}

const LAYER = "oci-layer-";

/**
 * Names of manifests and configurations that lead to documents of other names. One whose digest nobody else has was stored under
 * that name: cfsctl keeps what a registry's documents were converted to under the digest that they had before.
 */
async function* otherDocuments(
  repository: Repository,
  layers: LayerNames,
  signal: AbortSignal | undefined,
): AsyncGenerator<RepositoryFinding> {
  const names = new Set(layers.links.map(({ name }) => name));
  for (const { name, object, contentType } of layers.links) {
    throwIfAborted(signal);
    for (const kind of ["manifest", "config"] as const) {
      const digest = digestOfStreamName(kind, name);
      if (digest === undefined || contentType !== CONTENT_TYPES[kind]) continue;
      try {
        await readDocument(repository, kind, digest, object);
      } catch (error) {
        // Whatever else is wrong with it is told of its stream, or of its object.
        if (!isStoreError(error, "composefs/digest-mismatch")) {
          if (isDamage(error)) continue;
          throw error;
        }
        const found = String(error.context["found"]);
        if (!names.has(`oci-${kind}-${found}`)) continue;
        const what = `it leads to the ${kind} ${found}`;
        yield { ...finding("link-mismatch", "stream", name, `streams/${name}`, what), actual: object };
      }
    }
  }
}

type Has = (id: string) => boolean;

async function* verifyEntries(
  repository: Repository,
  folder: LinkFolder,
  has: Has,
  layers: LayerNames | undefined,
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
    else if (folder === "images" && isObjectId(id, repository.algorithm) && object !== id)
      yield {
        ...finding("link-mismatch", kind, id, path, `it leads to ${object}`),
        expected: id,
        actual: object,
      };
    else if (!has(object) || !linkResolves(repository, `${folder}/${name}` as ByteString))
      yield {
        ...finding("link-broken", kind, id, path, `it does not lead to its object ${object}`),
        expected: object,
      };
    else if (layers !== undefined) yield* verifyReferences(repository, folder, has, layers, id, object, path);
  }
}

async function* verifyReferences(
  repository: Repository,
  folder: LinkFolder,
  has: Has,
  layers: LayerNames,
  id: string,
  object: string,
  path: string,
): AsyncGenerator<RepositoryFinding> {
  const kind = folder.slice(0, -1);
  try {
    for (const [name, each] of await neededBy(repository, folder, layers, id, object)) {
      if (has(each)) continue;
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

/** Objects that a stream or image needs, each with the name under which it is kept, or none. */
async function neededBy(
  repository: Repository,
  folder: LinkFolder,
  layers: LayerNames,
  id: string,
  object: string,
): Promise<Iterable<readonly [name: string, object: string]>> {
  if (folder === "images") return unnamed(objectsOfImage(repository, object));
  const { objects, named, contentType } = await referencesOfStream(repository, id, object);
  layers.add(id, object, named, contentType);
  return [...unnamed(objects), ...named];
}

function* unnamed(objects: Iterable<string>): Generator<readonly [string, string]> {
  for (const each of objects) yield ["", each];
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
