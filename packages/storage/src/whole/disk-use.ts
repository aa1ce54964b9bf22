// What stores, images and layers take on disk, and what they share, by where the extents of files lie.

import { type BackendKind, type OperationOptions, utf8 } from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";

import type { ExistingStores } from "./existing-stores.ts";
import { collectExtents, type StoreExtents } from "./extents-task.ts";
import { listRootImages, type RootImage } from "./images.ts";
import { type Combination, combinationsOf } from "./overlap.ts";
import { imageKey, type Needed, ownersIn } from "./owners.ts";

/** All in bytes. Room for directories and names is in `allocatedBytes` only. */
export interface StoreDiskUse {
  readonly kind: BackendKind;
  readonly inodes: number;
  /** Sum of the sizes that files say they have. */
  readonly apparentBytes: number;
  /** Sum of the blocks of its inodes, clones counted in full each time, directories included. */
  readonly allocatedBytes: number;
  /** Contents of its files on disk, each place once. */
  readonly onDiskBytes: number;
  /** Of those, what another store has too; `undefined` where the file system cannot say. */
  readonly sharedBytes?: number;
  /** What goes when the store goes. */
  readonly exclusiveBytes?: number;
}

/** What an image or a layer takes in one store. */
export interface PartDiskUse {
  readonly kind: BackendKind;
  readonly files: number;
  readonly apparentBytes: number;
  /** Contents on disk, each place once, whoever else has them. */
  readonly onDiskBytes: number;
  /** Of those, what another store has too; `undefined` where the file system cannot say. */
  readonly sharedBytes?: number;
  /** What nothing else in any store has. */
  readonly exclusiveBytes: number;
}

export interface ThingDiskUse {
  /** In the order of the stages. */
  readonly parts: readonly PartDiskUse[];
  /** In all stores, each place once. */
  readonly onDiskBytes: number;
  /** What comes free when it goes from every store, and a collection is made. */
  readonly freedBytes: number;
}

export interface ImageDiskUse extends RootImage, ThingDiskUse {}

export interface LayerDiskUse extends ThingDiskUse {
  /** Its diff id, or `STORE ID` where that is not known. */
  readonly layer: string;
  /** Names, else manifests, of the images that have it. */
  readonly images: readonly string[];
}

export interface DiskUse {
  readonly stores: readonly StoreDiskUse[];
  /** Contents of all stores on disk, each place once. */
  readonly onDiskBytes: number;
  /** What they would take without sharing among them. */
  readonly separateBytes: number;
  /** Whether the file system says where files lie (not so on tmpfs and overlay); if not, nothing is known to be shared. */
  readonly extents: boolean;
  readonly images: readonly ImageDiskUse[];
  /** The largest first. */
  readonly layers: readonly LayerDiskUse[];
  /** Stores of which damage hides what belongs to which image. */
  readonly unattributed: readonly BackendKind[];
}

/** Who has a file: its store, and what needs it there. */
interface Owner {
  readonly kind: BackendKind;
  readonly needed: Needed | undefined;
}

/** Looks at every file of every store, on workers. */
export async function diskUse(
  stores: ExistingStores,
  pool: Pool,
  options: OperationOptions = {},
): Promise<DiskUse> {
  const { signal } = options;
  const kinds = stores.all.map(({ kind }) => kind);
  // The walk is the workers' and the looking up is this thread's.
  const walking = Promise.all(
    stores.all.map(({ kind, dir }) =>
      pool.run(
        collectExtents,
        // What bootc keeps below composefs is a store of its own.
        { dir: dir.fd, ...(kind === "composefs" ? { without: utf8("bootc") } : {}) },
        signal === undefined ? {} : { signal },
      ),
    ),
  );
  const [found, needs] = await Promise.all([
    walking,
    (async () => {
      const all = [];
      for (const kind of kinds) all.push(await ownersIn(stores, kind, options));
      return all;
    })(),
  ]);
  // Places on two devices cannot be compared, and stores of one root are on one.
  const devices = new Set(
    stores.all.map(({ dir }) => {
      const { dev } = dir.statSelf();
      return `${dev.major}:${dev.minor}`;
    }),
  );
  const known = devices.size <= 1 && found.every((each) => each.known);
  const table = new OwnerTable();
  const fileOwners = found.map((each, at) =>
    Uint32Array.from(each.paths, (path) => table.number(kinds[at] as BackendKind, needs[at]?.(path))),
  );
  const places = known ? combine(found, fileOwners, table.owners.length) : [];
  const combinations = [...places, ...withoutPlace(found, fileOwners, table.owners.length, known)];
  const sums = new Sums(table.owners, combinations);
  const rows = found.map((each, at): StoreDiskUse => {
    const kind = kinds[at] as BackendKind;
    const common = {
      kind,
      inodes: each.inodes,
      apparentBytes: each.apparent,
      allocatedBytes: each.allocated,
    };
    if (!known) return { ...common, onDiskBytes: each.allocated };
    const has = (owner: Owner): boolean => owner.kind === kind;
    const onDiskBytes = sums.any(has);
    const exclusiveBytes = sums.only(has);
    return { ...common, onDiskBytes, sharedBytes: onDiskBytes - exclusiveBytes, exclusiveBytes };
  });
  const separate = rows.reduce((sum, each) => sum + each.onDiskBytes, 0);
  const images = await listRootImages(stores, options);
  const files = countFiles(found, fileOwners, table.owners.length);
  const use = (needed: (needs: Needed) => boolean, only: (needs: Needed) => boolean): ThingDiskUse =>
    useOf(kinds, table.owners, files, sums, known, needed, only);
  return {
    stores: rows,
    onDiskBytes: known ? sums.any(() => true) : separate,
    separateBytes: separate,
    extents: known,
    images: images.map((image) => {
      const keys = keysOf(image);
      const hasOnly = ({ images: all }: Needed): boolean => [...all].every((each) => keys.has(each));
      return { ...image, ...use(({ images: all }) => [...keys].some((key) => all.has(key)), hasOnly) };
    }),
    layers: layersOf(table.owners)
      .map(([layer, needing]) => ({
        layer,
        images: images
          .filter((image) => [...keysOf(image)].some((key) => needing.has(key)))
          .map(({ names, manifest }) => names[0] ?? manifest ?? "-"),
        ...use(
          ({ layers }) => layers.has(layer),
          ({ layers }) => layers.size === 1,
        ),
      }))
      .sort((a, b) => b.onDiskBytes - a.onDiskBytes || (a.layer < b.layer ? -1 : 1)),
    unattributed: kinds.filter((_, at) => needs[at] === undefined),
  };
}

/**
 * The images of a root with what they take and what only they use. Where all are in containers-storage that is in its
 * index; else it is looked up on disk.
 */
export async function sizedRootImages(
  stores: ExistingStores,
  pool: Pool,
  options: OperationOptions = {},
): Promise<RootImage[]> {
  const images = await listRootImages(stores, options);
  if (images.every(({ unique }) => unique !== undefined)) return images;
  const { images: sized } = await diskUse(stores, pool, options);
  return sized.map(({ parts, onDiskBytes, freedBytes, ...image }) => ({
    ...image,
    ...(parts.length === 0 ? {} : { size: image.size ?? onDiskBytes, unique: image.unique ?? freedBytes }),
  }));
}

/** Under which names its files are known. */
function keysOf({ manifest, stores }: RootImage): ReadonlySet<string> {
  const kinds = Object.entries(stores) as [BackendKind, string][];
  return new Set(kinds.map(([kind, id]) => imageKey(kind, id, manifest)));
}

/** Layers with the images that need them. */
function layersOf(owners: readonly Owner[]): [string, Set<string>][] {
  const layers = new Map<string, Set<string>>();
  for (const { needed } of owners) {
    for (const layer of needed?.layers ?? []) {
      const images = layers.get(layer) ?? new Set<string>();
      layers.set(layer, images);
      // A file of several layers belongs to images by either of them.
      if (needed?.layers.size === 1) for (const image of needed.images) images.add(image);
    }
  }
  return [...layers];
}

/** Owners by number: files that the same need have one. */
class OwnerTable {
  readonly owners: Owner[] = [];
  readonly #numbers = new Map<string, number>();
  /** By identity, which is much faster than by what is in them. */
  readonly #known = new Map<Needed, number>();

  number(kind: BackendKind, needed: Needed | undefined): number {
    const known = needed === undefined ? undefined : this.#known.get(needed);
    if (known !== undefined) return known;
    const key = `${kind}\n${[...(needed?.images ?? [])].sort().join()}\n${[...(needed?.layers ?? [])].sort().join()}`;
    const number = this.#numbers.get(key) ?? this.owners.push({ kind, needed }) - 1;
    this.#numbers.set(key, number);
    if (needed !== undefined) this.#known.set(needed, number);
    return number;
  }
}

function combine(
  found: readonly StoreExtents[],
  fileOwners: readonly Uint32Array[],
  count: number,
): readonly Combination[] {
  const many = found.reduce((sum, { fileOf }) => sum + fileOf.length, 0);
  const ranges = new Float64Array(many * 2);
  const owners = new Uint32Array(many);
  let used = 0;
  for (const [at, { placed, fileOf }] of found.entries()) {
    ranges.set(placed, used * 2);
    const own = fileOwners[at] as Uint32Array;
    for (const [extent, file] of fileOf.entries()) owners[used + extent] = own[file] as number;
    used += fileOf.length;
  }
  return combinationsOf(ranges, owners, count);
}

/** What has no place has one owner. */
function withoutPlace(
  found: readonly StoreExtents[],
  fileOwners: readonly Uint32Array[],
  count: number,
  known: boolean,
): Combination[] {
  const lengths = new Float64Array(count);
  for (const [at, { unplaced, blocks }] of found.entries()) {
    const own = fileOwners[at] as Uint32Array;
    for (const [file, length] of (known ? unplaced : blocks).entries())
      lengths[own[file] as number] = (lengths[own[file] as number] as number) + length;
  }
  return Array.from(lengths, (length, owner) => ({ owners: [owner], length })).filter(
    ({ length }) => length > 0,
  );
}

/** Files and their sizes, by owner. */
function countFiles(
  found: readonly StoreExtents[],
  fileOwners: readonly Uint32Array[],
  count: number,
): { readonly files: Uint32Array; readonly sizes: Float64Array } {
  const files = new Uint32Array(count);
  const sizes = new Float64Array(count);
  for (const [at, each] of found.entries()) {
    for (const [file, owner] of (fileOwners[at] as Uint32Array).entries()) {
      files[owner] = (files[owner] as number) + 1;
      sizes[owner] = (sizes[owner] as number) + (each.sizes[file] as number);
    }
  }
  return { files, sizes };
}

class Sums {
  readonly #owners: readonly Owner[];
  readonly #combinations: readonly Combination[];

  constructor(owners: readonly Owner[], combinations: readonly Combination[]) {
    this.#owners = owners;
    this.#combinations = combinations;
  }

  /** What at least one of these has. */
  any(has: (owner: Owner) => boolean): number {
    return this.#sum((owners) => owners.some(has));
  }

  /** What nobody else has. */
  only(has: (owner: Owner) => boolean): number {
    return this.#sum((owners) => owners.every(has));
  }

  /** What one of the first and one of the second have. */
  both(first: (owner: Owner) => boolean, second: (owner: Owner) => boolean): number {
    return this.#sum((owners) => owners.some(first) && owners.some(second));
  }

  #sum(counts: (owners: readonly Owner[]) => boolean): number {
    let sum = 0;
    for (const { owners, length } of this.#combinations)
      if (counts(owners.map((each) => this.#owners[each] as Owner))) sum += length;
    return sum;
  }
}

function useOf(
  kinds: readonly BackendKind[],
  owners: readonly Owner[],
  counts: { readonly files: Uint32Array; readonly sizes: Float64Array },
  sums: Sums,
  known: boolean,
  needs: (needed: Needed) => boolean,
  only: (needed: Needed) => boolean,
): ThingDiskUse {
  const has = ({ needed }: Owner): boolean => needed !== undefined && needs(needed);
  const alone = (owner: Owner): boolean => has(owner) && owner.needed !== undefined && only(owner.needed);
  const parts = kinds.flatMap((kind): PartDiskUse[] => {
    let [files, apparentBytes] = [0, 0];
    for (const [at, owner] of owners.entries()) {
      if (owner.kind !== kind || !has(owner)) continue;
      files += counts.files[at] as number;
      apparentBytes += counts.sizes[at] as number;
    }
    if (files === 0) return [];
    const here = (owner: Owner): boolean => owner.kind === kind && has(owner);
    return [
      {
        kind,
        files,
        apparentBytes,
        onDiskBytes: sums.any(here),
        ...(known ? { sharedBytes: sums.both(here, (owner) => owner.kind !== kind) } : {}),
        exclusiveBytes: sums.only((owner) => owner.kind === kind && alone(owner)),
      },
    ];
  });
  return { parts, onDiskBytes: sums.any(has), freedBytes: sums.only(alone) };
}
