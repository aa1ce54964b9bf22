import { type Digest, equalDigests } from "@bootc-store/core";

import { digestsOf, type ImageRecord } from "./format/images-json.ts";
import { isIncomplete, type LayerRecord } from "./format/layers-json.ts";

/** Layers as an index had them at one moment. */
export class LayerTable {
  readonly stable: readonly LayerRecord[];
  /** Of containers that do not survive a boot. */
  readonly volatile: readonly LayerRecord[];
  readonly #byId = new Map<string, LayerRecord>();
  readonly #children = new Map<string, string[]>();

  constructor(stable: readonly LayerRecord[], volatile: readonly LayerRecord[]) {
    this.stable = stable;
    this.volatile = volatile;
    for (const record of this) {
      // Of two records of one id the first counts.
      if (this.#byId.has(record.id)) continue;
      this.#byId.set(record.id, record);
      if (record.parent === undefined) continue;
      const siblings = this.#children.get(record.parent);
      if (siblings === undefined) this.#children.set(record.parent, [record.id]);
      else siblings.push(record.id);
    }
  }

  get size(): number {
    return this.stable.length + this.volatile.length;
  }

  get(id: string): LayerRecord | undefined {
    return this.#byId.get(id);
  }

  children(id: string): readonly string[] {
    return this.#children.get(id) ?? [];
  }

  /** By id, name, or the beginning of an id that only one has. */
  find(reference: string): LayerRecord | undefined {
    return findRecord([...this], reference);
  }

  /** Whole layers of this diff id, first made first. */
  withDiff(diffId: Digest): LayerRecord[] {
    return [...this].filter(
      (record) =>
        record.diffDigest !== undefined && equalDigests(record.diffDigest, diffId) && !isIncomplete(record),
    );
  }

  *[Symbol.iterator](): Generator<LayerRecord> {
    yield* this.stable;
    yield* this.volatile;
  }
}

export class ImageTable implements Iterable<ImageRecord> {
  readonly records: readonly ImageRecord[];
  readonly #byId = new Map<string, ImageRecord>();

  constructor(records: readonly ImageRecord[]) {
    this.records = records;
    // Of two records of one id the last counts.
    for (const record of records) this.#byId.set(record.id, record);
  }

  get(id: string): ImageRecord | undefined {
    return this.#byId.get(id);
  }

  find(reference: string): ImageRecord | undefined {
    return this.#byId.get(reference) ?? findRecord(this.records, reference);
  }

  withDigest(digest: Digest): ImageRecord[] {
    return this.records.filter((record) => digestsOf(record).some((each) => equalDigests(each, digest)));
  }

  [Symbol.iterator](): Iterator<ImageRecord> {
    return this.records[Symbol.iterator]();
  }
}

/** By id, then name, then the beginning of an id that only one has. */
export function findRecord<T extends { readonly id: string; readonly names: readonly string[] }>(
  records: readonly T[],
  reference: string,
): T | undefined {
  if (reference === "") return undefined;
  const exact = records.find((record) => record.id === reference);
  // Of two records with one name the later one has it.
  const named = exact ?? records.findLast((record) => record.names.includes(reference));
  if (named !== undefined) return named;
  const starting = records.filter((record) => record.id.startsWith(reference));
  return starting.length === 1 ? starting[0] : undefined;
}
