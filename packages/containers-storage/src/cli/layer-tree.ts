import type { ContainerRecord } from "../format/containers-json.ts";
import type { ImageRecord } from "../format/images-json.ts";
import type { LayerRecord } from "../format/layers-json.ts";

/** Layers as the program draws them: each below its parent, with what stands on it. */
export function layerTree(
  layers: readonly LayerRecord[],
  images: readonly ImageRecord[],
  containers: readonly ContainerRecord[],
): string[] {
  const children = new Map<string, LayerRecord[]>();
  for (const layer of layers) {
    const parent = layer.parent ?? "";
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [layer]);
    else siblings.push(layer);
  }
  const lines = layers.length === 0 ? [] : ["(base)"];
  const below = (parent: string, indent: string): void => {
    const all = children.get(parent) ?? [];
    for (const [at, { id, names }] of all.entries()) {
      const last = at === all.length - 1;
      const inner = `${indent}${last ? "  " : "\u2502 "}`;
      lines.push(`${indent}${last ? "\u2514" : "\u251c"}\u2500${id}`);
      for (const name of names) lines.push(`${inner}name: ${name}`);
      for (const image of images.filter(({ layer }) => layer === id)) {
        lines.push(`${inner}image: ${image.id}`);
        for (const name of image.names) lines.push(`${inner}image name: ${name}`);
      }
      for (const container of containers.filter(({ layer }) => layer === id)) {
        lines.push(`${inner}container: ${container.id}`);
        for (const name of container.names) lines.push(`${inner}container name: ${name}`);
      }
      below(id, inner);
    }
  };
  below("", "");
  return lines;
}
