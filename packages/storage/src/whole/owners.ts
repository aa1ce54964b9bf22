// What each file of a store belongs to: layers and images, by the names that are the same in every store.

import { type ComposefsBackend, mark } from "@bootc-store/composefs";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import {
  type BackendKind,
  type ByteString,
  isStoreError,
  type OperationOptions,
  printDigest,
  throwIfAborted,
} from "@bootc-store/core";
import { HEADS, layerRef, listImages, type OstreeBackend, Traversal } from "@bootc-store/ostree";

import type { ExistingStores } from "./existing-stores.ts";

/** What needs a file. Images are by their manifest or `STORE ID`, layers by their diff id. */
export interface Needed {
  readonly images: ReadonlySet<string>;
  readonly layers: ReadonlySet<string>;
}

/** Says who needs a file, by its path below the store's directory; `undefined` for what is nobody's or the store's own. */
export type NeededBy = (path: ByteString) => Needed | undefined;

/** The same name of an image in every store that knows its manifest. */
export function imageKey(kind: BackendKind, id: string, manifest: string | undefined): string {
  return manifest ?? `${kind} ${id}`;
}

/** Who needs what in a store. `undefined` where damage keeps that from being known. */
export async function ownersIn(
  stores: ExistingStores,
  kind: BackendKind,
  options: OperationOptions = {},
): Promise<NeededBy | undefined> {
  try {
    const { containersStorage, composefs, ostree } = stores;
    if (kind === "containers-storage" && containersStorage !== undefined)
      return await ownersInContainersStorage(containersStorage, options);
    if (kind === "composefs" && composefs !== undefined) return await ownersInComposefs(composefs, options);
    if (kind === "ostree" && ostree !== undefined) return ownersInOstree(ostree, options);
    return undefined;
  } catch (error) {
    if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
    return undefined;
  }
}

/** Gathers who needs what, by the name of the thing. */
class Needs {
  readonly #found = new Map<string, { readonly images: Set<string>; readonly layers: Set<string> }>();

  add(thing: string, sort: "images" | "layers", who: string): void {
    let entry = this.#found.get(thing);
    if (entry === undefined) this.#found.set(thing, (entry = { images: new Set(), layers: new Set() }));
    entry[sort].add(who);
  }

  get(thing: string): Needed | undefined {
    return this.#found.get(thing);
  }
}

async function ownersInContainersStorage(
  storage: ContainersStorage,
  options: OperationOptions,
): Promise<NeededBy> {
  const needs = new Needs();
  const layers = new Map((await storage.layers(options)).map((each) => [each.id, each]));
  const manifests = new Map<string, string>();
  for await (const { id, manifestDigest } of storage.listImages(options))
    if (manifestDigest !== undefined) manifests.set(id, printDigest(manifestDigest));
  for (const { id, diffDigest } of layers.values())
    needs.add(id, "layers", diffDigest === undefined ? `containers-storage ${id}` : printDigest(diffDigest));
  for (const image of await storage.images(options)) {
    throwIfAborted(options.signal);
    const key = imageKey("containers-storage", image.id, manifests.get(image.id));
    needs.add(image.id, "images", key);
    const seen = new Set<string>();
    for (let id = image.layer; id !== undefined && !seen.has(id); id = layers.get(id)?.parent) {
      seen.add(id);
      needs.add(id, "images", key);
    }
  }
  return (path) => {
    const [top, second = ""] = path.split("/", 2);
    if (top === "overlay" || top === "vfs" || top === "overlay-images") return needs.get(second);
    // ID.tar-split.gz
    return top === "overlay-layers" ? needs.get(second.slice(0, 64)) : undefined;
  };
}

async function ownersInComposefs(composefs: ComposefsBackend, options: OperationOptions): Promise<NeededBy> {
  const { repository } = composefs;
  const needs = new Needs();
  const done = new Set<string>();
  for await (const { id } of composefs.listImages(options)) {
    throwIfAborted(options.signal);
    await using image = await composefs.openImage(id, options);
    if (image === undefined) continue;
    const all = await mark(repository, [`oci-manifest-${id}`], options.signal);
    for (const object of all.objects) needs.add(object, "images", id);
    for (const { diffId } of image.layers) {
      const layer = printDigest(diffId);
      if (done.has(layer)) continue;
      done.add(layer);
      const { objects } = await mark(repository, [`oci-layer-${layer}`], options.signal);
      for (const object of objects) needs.add(object, "layers", layer);
    }
  }
  return (path) => {
    const [top, shard = "", rest = ""] = path.split("/", 3);
    return top === "objects" ? needs.get(`${shard}${rest}`) : undefined;
  };
}

function ownersInOstree({ repo }: OstreeBackend, options: OperationOptions): NeededBy {
  const needs = new Needs();
  const done = new Set<string>();
  const add = (commit: string, sort: "images" | "layers", who: string): void => {
    const traversal = new Traversal(repo.reader, { onMissing() {} });
    traversal.addCommit(commit);
    for (const key of traversal.reachable) needs.add(key, sort, who);
    needs.add(`${commit}.commitmeta`, sort, who);
  };
  for (const image of listImages(repo)) {
    throwIfAborted(options.signal);
    const key = imageKey("ostree", image.commit, image.manifestDigest || undefined);
    add(image.commit, "images", key);
    needs.add(`refs/heads/${image.ref}`, "images", key);
    for (const { digest, diffId } of image.layers) {
      const commit = repo.refs.read(HEADS, layerRef(digest));
      if (commit === undefined) continue;
      add(commit, "images", key);
      const ref = `refs/heads/${layerRef(digest)}`;
      needs.add(ref, "images", key);
      needs.add(ref, "layers", diffId ?? digest);
      if (done.has(commit)) continue;
      done.add(commit);
      add(commit, "layers", diffId ?? digest);
    }
  }
  return (path) => {
    const [top, shard = "", rest = ""] = path.split("/", 3);
    return needs.get(top === "objects" ? `${shard}${rest.replace(/\.filez$/, ".file")}` : path);
  };
}
