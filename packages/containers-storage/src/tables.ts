import { type Digest, equalDigests } from "@bootc-store/core";

import { digestsOf, type ImageRecord } from "./format/images-json.ts";
import { isIncomplete, type LayerRecord } from "./format/layers-json.ts";

/** The file of an index that a record is in: the first in the graph root, the volatile one there, that of the run root. */
export type Shelf = "stable" | "volatile" | "transient";

/** Records of an index by the files that they are in. */
export type Shelves<T> = Readonly<Record<Shelf, readonly T[]>>;

export const NO_SHELVES: Shelves<never> = { stable: [], volatile: [], transient: [] };

/** Records by the files that those of the same id are in now; new ones go where `newcomers` says. */
export function shelve<T extends { readonly id: string }>(
  records: readonly T[],
  before: Shelves<T>,
  newcomers: Shelf,
): Shelves<T> {
  const places = new Map<string, Shelf>();
  for (const shelf of ["transient", "volatile", "stable"] as const)
    for (const { id } of before[shelf]) places.set(id, shelf);
  const next: Record<Shelf, T[]> = { stable: [], volatile: [], transient: [] };
  for (const record of records) next[places.get(record.id) ?? newcomers].push(record);
  return next;
}

/** Layers as an index had them at one moment. */
export class LayerTable {
  readonly shelves: Shelves<LayerRecord>;
  readonly #byId = new Map<string, LayerRecord>();
  readonly #children = new Map<string, string[]>();

  constructor(shelves: Shelves<LayerRecord>) {
    this.shelves = shelves;
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

  get stable(): readonly LayerRecord[] {
    return this.shelves.stable;
  }

  /** Of containers that do not survive a boot. */
  get volatile(): readonly LayerRecord[] {
    return [...this.shelves.volatile, ...this.shelves.transient];
  }

  get all(): readonly LayerRecord[] {
    return [...this];
  }

  get size(): number {
    return this.all.length;
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
    yield* this.shelves.stable;
    yield* this.shelves.volatile;
    yield* this.shelves.transient;
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
