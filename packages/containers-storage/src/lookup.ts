import { type OperationOptions, parseDigestOptional } from "@bootc-store/core";
import { printDockerReference, repositoryOf } from "@bootc-store/oci";

import { containersStorageErrors } from "./errors.ts";
import { parseNameOptional } from "./format/image-name.ts";
import type { ImageRecord } from "./format/images-json.ts";
import { isIncomplete } from "./format/layers-json.ts";
import type { PlacedLayer } from "./ports/image-source.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

/** Finds images and layers in the store and then in the additional ones; what is found first counts. */
export class Lookup {
  readonly #roots: readonly StoreRoot[];

  constructor(roots: readonly StoreRoot[]) {
    this.#roots = roots;
  }

  async findImage(
    reference: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly root: StoreRoot; readonly record: ImageRecord } | undefined> {
    const digest = parseDigestOptional(reference.startsWith("@") ? reference.slice(1) : reference);
    const byId = /@([0-9a-f]{64})$/.exec(reference)?.[1];
    const name = parseNameOptional(reference);
    for (const root of this.#roots) {
      const table = await root.records.images(signal);
      const find = (): ImageRecord | undefined => {
        if (digest !== undefined) return table.withDigest(digest)[0];
        if (byId !== undefined) return table.get(byId);
        const exact =
          table.get(reference) ?? table.records.findLast(({ names }) => names.includes(reference));
        if (exact !== undefined) return exact;
        if (name !== undefined) {
          const printed = printDockerReference(name);
          const named = table.records.findLast(({ names }) => names.includes(printed));
          if (named !== undefined) return named;
          const wanted = name.digest;
          if (wanted !== undefined) {
            return table
              .withDigest(wanted)
              .find(({ names }) => names.some((each) => repositoryIn(each) === repositoryOf(name)));
          }
        }
        return /^[0-9a-f]{3,}$/.test(reference) ? table.find(reference) : undefined;
      };
      const record = find();
      if (record !== undefined) return { root, record };
    }
    return undefined;
  }

  async findLayer(id: string, signal: AbortSignal | undefined): Promise<PlacedLayer | undefined> {
    for (const root of this.#roots) {
      const record = (await root.records.layers(signal)).get(id);
      if (record !== undefined) return { root, record };
    }
    return undefined;
  }

  /** A layer and those below it, lowest first. Throws `containers-storage/layer-not-found`, `layer-incomplete`. */
  async chain(top: string | undefined, options?: OperationOptions): Promise<readonly PlacedLayer[]> {
    const chain: PlacedLayer[] = [];
    const seen = new Set<string>();
    for (let id = top; id !== undefined;) {
      if (seen.has(id)) {
        throw containersStorageErrors.error("record-invalid", `layer ${id} is below itself`, {
          context: { layer: id },
        });
      }
      seen.add(id);
      const placed: PlacedLayer | undefined = await this.findLayer(id, options?.signal);
      if (placed === undefined) {
        throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
          context: { layer: id },
        });
      }
      if (isIncomplete(placed.record)) {
        throw containersStorageErrors.error("layer-incomplete", `layer ${id} is incomplete`, {
          context: { layer: id },
        });
      }
      chain.push(placed);
      id = placed.record.parent;
    }
    return chain.reverse();
  }
}

function repositoryIn(name: string): string | undefined {
  const parsed = parseNameOptional(name);
  return parsed === undefined ? undefined : repositoryOf(parsed);
}
