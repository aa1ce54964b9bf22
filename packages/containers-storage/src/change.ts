import { containersStorageErrors } from "./errors.ts";
import { type ContainerRecord, printContainers } from "./format/containers-json.ts";
import { type ImageRecord, printImages } from "./format/images-json.ts";
import { type LayerRecord, printLayers } from "./format/layers-json.ts";
import { type MountpointRecord, parseMountpoints, printMountpoints } from "./format/mountpoints-json.ts";
import {
  CONTAINERS,
  IMAGES,
  LAYERS,
  MOUNTPOINTS,
  readText,
  VOLATILE_CONTAINERS,
  VOLATILE_LAYERS,
  writeText,
} from "./index-files.ts";
import { type HeldLock, StoreLock } from "./locks/store-lock.ts";
import type { StorePlaces } from "./places.ts";
import { ImageTable, LayerTable, type Shelf, shelve, type Shelves } from "./tables.ts";

/** Indexes that a change may be about; locks are always taken in this order. */
export type Index = "layers" | "images" | "containers";

/** Indexes that are locked for writing. */
export class Change {
  readonly #places: StorePlaces;
  readonly #locks: Partial<Record<Index, HeldLock>>;
  /** Indexes that were saved, or were going to be. */
  readonly changed = new Set<Index>();
  #layers: LayerTable | undefined;
  #images: ImageTable | undefined;
  #containers: Shelves<ContainerRecord> | undefined;

  constructor(
    places: StorePlaces,
    locks: Partial<Record<Index, HeldLock>>,
    layers: LayerTable | undefined,
    images: ImageTable | undefined,
    containers: Shelves<ContainerRecord> | undefined,
  ) {
    this.#places = places;
    this.#locks = locks;
    this.#layers = layers;
    this.#images = images;
    this.#containers = containers;
  }

  get layers(): LayerTable {
    return locked("layers", this.#layers);
  }

  get images(): ImageTable {
    return locked("images", this.#images);
  }

  get containers(): readonly ContainerRecord[] {
    const { stable, volatile, transient } = locked("containers", this.#containers);
    return [...stable, ...volatile, ...transient];
  }

  /**
   * Writes the layers, each into the file that it is in or, a new one, into that of `newcomers`: a new token, the files, and
   * then, as the real library does with every save, the mount points with theirs.
   */
  async saveLayers(records: readonly LayerRecord[], newcomers: Shelf = "stable"): Promise<void> {
    const lock = locked("layers", this.#locks.layers);
    const before = this.layers.shelves;
    const next = shelve(records, before, newcomers);
    this.changed.add("layers");
    const dir = this.#places.dir("layers");
    const run = this.#places.dir("layers", "run");
    using mounts = await new StoreLock(run, "mountpoints.lock").exclusive();
    lock.touch();
    writeText(dir, LAYERS, printLayers(next.stable));
    if (!same(next.volatile, before.volatile)) writeText(dir, VOLATILE_LAYERS, printLayers(next.volatile));
    if (!same(next.transient, before.transient)) writeText(run, VOLATILE_LAYERS, printLayers(next.transient));
    this.#layers = new LayerTable(next);
    const text = printMountpoints(parseMountpoints(readText(run, MOUNTPOINTS)));
    mounts.touch();
    writeText(run, MOUNTPOINTS, text);
  }

  saveImages(records: readonly ImageRecord[]): void {
    const lock = locked("images", this.#locks.images);
    this.changed.add("images");
    lock.touch();
    writeText(this.#places.dir("images"), IMAGES, printImages(records));
    this.#images = new ImageTable(records);
  }

  /** Writes the containers, each into the file that it is in or, a new one, into that of `newcomers`. */
  saveContainers(records: readonly ContainerRecord[], newcomers: Shelf = "stable"): void {
    const lock = locked("containers", this.#locks.containers);
    const before = locked("containers", this.#containers);
    const next = shelve(records, before, newcomers);
    const { containersIn } = this.#places;
    const foreign = containersIn === "graph" ? (["transient"] as const) : (["stable", "volatile"] as const);
    if (foreign.some((shelf) => !same(next[shelf], before[shelf]))) {
      // The others have another lock, in the other root.
      throw containersStorageErrors.error(
        "feature-unsupported",
        containersIn === "graph"
          ? "a container of a transient store can be changed only where the store is opened as one"
          : "a container that is not transient cannot be changed in a transient store",
      );
    }
    this.changed.add("containers");
    const dir = this.#places.dir("containers");
    lock.touch();
    if (!same(next.stable, before.stable)) writeText(dir, CONTAINERS, printContainers(next.stable));
    if (!same(next.volatile, before.volatile))
      writeText(dir, VOLATILE_CONTAINERS, printContainers(next.volatile));
    if (!same(next.transient, before.transient)) {
      const run = this.#places.dir("containers", "run");
      writeText(run, VOLATILE_CONTAINERS, printContainers(next.transient));
    }
    this.#containers = next;
  }

  /**
   * Reads the mount points, and writes what `work` makes of them; with the layers locked, so that nobody removes one that is
   * just being mounted.
   */
  async changeMountpoints(
    work: (records: readonly MountpointRecord[]) => readonly MountpointRecord[],
  ): Promise<void> {
    locked("layers", this.#locks.layers);
    const run = this.#places.dir("layers", "run");
    using mounts = await new StoreLock(run, "mountpoints.lock").exclusive();
    const text = printMountpoints(work(parseMountpoints(readText(run, MOUNTPOINTS))));
    mounts.touch();
    writeText(run, MOUNTPOINTS, text);
  }
}

function locked<T>(index: Index, value: T | undefined): T {
  if (value === undefined) throw new TypeError(`${index} are not part of this change`);
  return value;
}

function same<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at]);
}
