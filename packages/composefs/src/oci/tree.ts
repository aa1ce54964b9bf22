// The tree that an image's layers make, as composefs-rs merges them, with contents by reference to objects.

import type { Content } from "@bootc-store/backend";
import { type Digest, printDigest, throwIfAborted } from "@bootc-store/core";
import { layerEntries, segmentItems, type TarItem } from "@bootc-store/oci";
import {
  composefsRsRules,
  type FileContent,
  type LayerEntry,
  LayerMerge,
  type Tree,
} from "@bootc-store/tree";
import type { Dir } from "@bootc-store/linux";

import { composefsErrors } from "../errors.ts";
import { objectOfContent } from "../objects/names.ts";
import type { Repository } from "../repository/repository.ts";
import { openLayer } from "./layer.ts";

/** Merges the layers with these diff ids, lowest first. */
export async function treeOfLayers(
  repository: Repository,
  diffIds: readonly Digest[],
  signal?: AbortSignal,
): Promise<Tree> {
  const merge = new LayerMerge(composefsRsRules);
  for (const diffId of diffIds) {
    for await (const entry of layerTreeEntries(repository, diffId)) {
      throwIfAborted(signal);
      merge.add(entry);
    }
    merge.endLayer();
  }
  return merge.tree;
}

/** What a layer says of a tree, in its order. */
export async function* layerTreeEntries(repository: Repository, diffId: Digest): AsyncGenerator<LayerEntry> {
  yield* layerEntries(await layerItems(repository, diffId), {
    content: (found: Content) => contentOf(repository, found),
    sparse: "refuse",
    sizeWithoutContent: "refuse",
  });
}

/** A layer's entries with their headers, out of its splitstream; contents that are objects are not read. */
async function layerItems(repository: Repository, diffId: Digest): Promise<AsyncIterable<TarItem<Dir>>> {
  const layer = await openLayer(repository, diffId);
  if (layer === undefined) {
    throw composefsErrors.error("layer-missing", `layer ${printDigest(diffId)} is not there`, {
      context: { digest: printDigest(diffId) },
    });
  }
  return segmentItems(layer.segments());
}

async function contentOf(repository: Repository, content: Content): Promise<FileContent> {
  const object = objectOfContent(content);
  if (object !== undefined) {
    return { kind: "external", key: object, verity: { algorithm: repository.algorithm, hex: object } };
  }
  const parts: Uint8Array[] = [];
  for await (const part of content.read()) parts.push(part);
  return { kind: "inline", bytes: Buffer.concat(parts) };
}
