import { createHash } from "node:crypto";

import { type Layer, type LayerSegment, TallyBuilder, type WrittenLayer } from "@bootc-store/backend";
import { type Digest, digestFromHex, printDigest, throwIfAborted } from "@bootc-store/core";

import { memoryErrors, type MemoryObjects } from "./objects.ts";

type StoredSegment = { readonly inline: Uint8Array } | { readonly object: string };

/** Layers as segments whose contents are objects. */
export class MemoryLayers {
  readonly #layers = new Map<string, readonly StoredSegment[]>();
  readonly #objects: MemoryObjects;

  constructor(objects: MemoryObjects) {
    this.#objects = objects;
  }

  has(diffId: Digest): boolean {
    return this.#layers.has(printDigest(diffId));
  }

  ids(): string[] {
    return [...this.#layers.keys()].sort();
  }

  delete(id: string): boolean {
    return this.#layers.delete(id);
  }

  /** Objects that a layer refers to. */
  references(id: string): string[] {
    return (this.#layers.get(id) ?? []).flatMap((segment) => ("object" in segment ? [segment.object] : []));
  }

  size(id: string): number {
    let size = 0;
    for (const segment of this.#layers.get(id) ?? []) if ("inline" in segment) size += segment.inline.length;
    return size;
  }

  open(diffId: Digest): Layer | undefined {
    const stored = this.#layers.get(printDigest(diffId));
    if (stored === undefined) return undefined;
    const objects = this.#objects;
    return {
      diffId,
      async *segments(options) {
        for (const segment of stored) {
          throwIfAborted(options?.signal);
          if ("inline" in segment) yield { kind: "inline", bytes: segment.inline };
          else yield { kind: "content", content: objects.content(segment.object) };
        }
      },
    };
  }

  async write(layer: Layer, signal: AbortSignal | undefined): Promise<WrittenLayer> {
    const id = printDigest(layer.diffId);
    const tally = new TallyBuilder();
    if (this.#layers.has(id)) return { id, created: false, content: tally.tally() };
    const hash = createHash(layer.diffId.algorithm);
    const stored: StoredSegment[] = [];
    // Objects come first, the name last: until then nothing refers to them, and a collection takes them.
    for await (const segment of layer.segments(signal === undefined ? {} : { signal })) {
      throwIfAborted(signal);
      if (segment.kind === "inline") {
        hash.update(segment.bytes);
        stored.push({ inline: segment.bytes.slice() });
      } else {
        const bytes = await collect(segment.content);
        hash.update(bytes);
        const { key, created } = this.#objects.put(bytes);
        tally.add(created ? "copied" : "reused", bytes.length);
        stored.push({ object: key });
      }
    }
    const found = digestFromHex(layer.diffId.algorithm, hash.digest("hex"));
    if (found.hex !== layer.diffId.hex) {
      throw memoryErrors.error("layer-mismatch", `layer ${id} has the diff id ${printDigest(found)}`, {
        context: { digest: id },
      });
    }
    this.#layers.set(id, stored);
    return { id, created: true, content: tally.tally() };
  }
}

async function collect(content: Extract<LayerSegment, { kind: "content" }>["content"]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of content.read()) {
    size += part.length;
    if (size > content.size) break;
    parts.push(part);
  }
  if (size !== content.size) {
    throw memoryErrors.error(
      "content-size",
      `a content of ${content.size} bytes has ${size > content.size ? "more" : size}`,
    );
  }
  return Buffer.concat(parts);
}
