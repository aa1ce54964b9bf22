import type { SourcedTree } from "@bootc-store/backend";
import type { OperationOptions } from "@bootc-store/core";
import { mergeTrees, overlayRules, type Tree } from "@bootc-store/tree";

import { containersStorageErrors } from "../errors.ts";
import { defined } from "../format/layers-json.ts";
import type { Lookup } from "../lookup.ts";
import { readDiffTree } from "../overlay/layer-tree.ts";
import { contentsOf } from "./content-source.ts";
import type { PlacedLayer } from "./image-source.ts";

/** A layer's own diff directory as a tree, with overlay's marks in it. */
export async function readLayerTree(
  lookup: Lookup,
  id: string,
  options: OperationOptions | undefined,
): Promise<Tree> {
  const placed = await lookup.findLayer(id, options?.signal);
  if (placed === undefined) {
    throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
      context: { layer: id },
    });
  }
  return readPlacedTree(placed, options?.signal);
}

/** What a mount of an image, by any reference, or of a layer, by its id, would show. */
export async function readTree(
  lookup: Lookup,
  id: string,
  options: OperationOptions | undefined,
): Promise<SourcedTree> {
  const image = await lookup.findImage(id, options?.signal);
  const top =
    image === undefined ? (await lookup.findLayer(id, options?.signal))?.record.id : image.record.layer;
  if (image === undefined && top === undefined) {
    throw containersStorageErrors.error("image-not-found", `neither an image nor a layer: ${id}`, {
      context: { ref: id },
    });
  }
  const chain = await lookup.chain(top, options);
  const [last] = chain.slice(-1);
  if (last?.root.places.driver === "vfs") {
    return { tree: readPlacedTree(last, options?.signal), contents: contentsOf(chain) };
  }
  const trees = chain.map((placed) => readPlacedTree(placed, options?.signal));
  return { tree: mergeTrees(trees, overlayRules), contents: contentsOf(chain) };
}

function readPlacedTree({ root, record }: PlacedLayer, signal: AbortSignal | undefined): Tree {
  using diff = root.places.dir("content").openDir(root.places.diffPath(record.id));
  return readDiffTree(diff, { prefix: record.id, ...defined({ signal }) });
}
