// What keeps something: the ways from roots to it, in every store that has it.

import type { Root } from "@bootc-store/backend";
import { mark } from "@bootc-store/composefs";
import {
  type BackendKind,
  type OperationOptions,
  parseDigestOptional,
  printDigest,
  throwIfAborted,
} from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { reasonsFor } from "@bootc-store/ostree";

import { storageErrors } from "../errors.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { deployed } from "./gc.ts";

/** A way from a root to the thing. */
export interface KeptBy {
  readonly store: BackendKind;
  /** What the root is: "ref", "tag", "deployment", "container". */
  readonly kind: string;
  readonly name: string;
  /** What lies between, from the root on. */
  readonly chain: readonly string[];
}

export interface Why {
  /** Stores that have it. */
  readonly stores: readonly BackendKind[];
  /** Empty: nothing keeps it, and the next collection removes it. */
  readonly keptBy: readonly KeptBy[];
}

/**
 * Looks for an object, an image or a layer by its name in any store: a checksum of ostree, an object, image, stream or
 * tag of composefs, a layer by id or diff id, an image by id or name. Throws `storage/thing-not-found`.
 */
export async function whyKept(
  root: Dir,
  stores: ExistingStores,
  thing: string,
  options: OperationOptions = {},
): Promise<Why> {
  const { signal } = options;
  const deployments = await deployed(root, options);
  const found: BackendKind[] = [];
  const keptBy: KeptBy[] = [];
  for (const { kind, backend } of stores.all) {
    throwIfAborted(signal);
    const roots = deployments.filter((each) => each.backend === kind);
    for await (const own of backend.roots(options)) roots.push(own);
    const reasons = await REASONS[kind](stores, roots, thing, options);
    if (reasons === undefined) continue;
    found.push(kind);
    keptBy.push(...reasons.map((each) => ({ store: kind, ...each })));
  }
  if (found.length > 0) return { stores: found, keptBy };
  throw storageErrors.error("thing-not-found", `no store has anything called ${thing}`, {
    context: { ref: thing },
  });
}

type Found = Omit<KeptBy, "store">;
type Look = (
  stores: ExistingStores,
  roots: readonly Root[],
  thing: string,
  options: OperationOptions,
) => Promise<Found[] | undefined>;

/** `undefined` where the store does not have it. */
const REASONS: Readonly<Record<BackendKind, Look>> = {
  "containers-storage": async ({ containersStorage }, _roots, thing, options) => {
    if (containersStorage === undefined) return undefined;
    const layers = await containersStorage.layers(options);
    const digest = parseDigestOptional(thing);
    const layer = layers.find(
      ({ id, diffDigest }) =>
        id === thing ||
        (digest !== undefined && diffDigest !== undefined && printDigest(diffDigest) === printDigest(digest)),
    );
    const image = layer === undefined ? await containersStorage.findImage(thing, options) : undefined;
    if (layer === undefined && image === undefined) return undefined;
    const parents = new Map(layers.map(({ id, parent }) => [id, parent]));
    const below = (top: string | undefined): string[] => {
      const chain: string[] = [];
      for (let id = top; id !== undefined && !chain.includes(id); id = parents.get(id)) chain.push(id);
      return chain;
    };
    const found: Found[] = [];
    for (const each of await containersStorage.images(options)) {
      const chain = below(each.layer);
      const at = layer === undefined ? -1 : chain.indexOf(layer.id);
      if (each.id !== image?.id && at < 0) continue;
      const way = [each.id, ...chain.slice(0, at + 1)];
      if (each.names.length === 0) found.push({ kind: "image", name: each.id, chain: way });
      for (const name of each.names) found.push({ kind: "tag", name, chain: way });
    }
    for (const each of await containersStorage.containers(options)) {
      const chain = below(each.layer);
      const at = layer === undefined ? -1 : chain.indexOf(layer.id);
      if (at < 0 && (image === undefined || each.image !== image.id)) continue;
      found.push({
        kind: "container",
        name: each.names[0] ?? each.id,
        chain: at < 0 ? [each.image] : chain.slice(0, at + 1),
      });
    }
    return found;
  },

  composefs: async ({ composefs }, roots, thing, options) => {
    if (composefs === undefined) return undefined;
    const { repository } = composefs;
    const image = await composefs.openImage(thing, options);
    const manifest = image === undefined ? undefined : printDigest(image.manifest.digest);
    await image?.[Symbol.asyncDispose]();
    const found: Found[] = [];
    const object = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/.test(thing) && repository.objects.has(thing);
    const there = manifest !== undefined || object;
    for (const { kind, name, target } of roots) {
      throwIfAborted(options.signal);
      const { objects, images, streams } = await mark(repository, [target], options.signal);
      const kept =
        objects.has(thing) ||
        images.has(thing) ||
        streams.has(thing) ||
        (manifest !== undefined && [...streams].some((stream) => stream.includes(manifest)));
      if (kept) found.push({ kind, name, chain: target === thing ? [target] : [target, manifest ?? thing] });
    }
    return there || found.length > 0 ? found : undefined;
  },

  ostree: async ({ ostree }, roots, thing, options) => {
    if (ostree === undefined) return undefined;
    const [checksum = "", type] = thing.split(".");
    if (!/^[0-9a-f]{64}$/.test(checksum)) return undefined;
    const { repo } = ostree;
    const types = (["commit", "dirtree", "dirmeta", "file"] as const).filter(
      (each) => (type === undefined || type === each) && repo.reader.has(checksum, each),
    );
    if (types.length === 0) return undefined;
    return Array.from(reasonsFor(repo, roots, thing, options.signal), ({ root, chain }) => ({
      kind: root.kind,
      name: root.name,
      chain,
    }));
  },
};
