import { type ByteString, throwIfAborted, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { type ContainerRecord, parseContainers } from "./format/containers-json.ts";
import { type ImageRecord, parseImages, printImages } from "./format/images-json.ts";
import { type LayerRecord, parseLayers, printLayers } from "./format/layers-json.ts";
import { type MountpointRecord, parseMountpoints, printMountpoints } from "./format/mountpoints-json.ts";
import { INDEX_LIMIT } from "./limits.ts";
import { type HeldLock, StoreLock } from "./locks/store-lock.ts";
import type { Part, StorePlaces } from "./places.ts";
import { ImageTable, LayerTable } from "./tables.ts";

const LAYERS = utf8("layers.json");
const VOLATILE_LAYERS = utf8("volatile-layers.json");
const IMAGES = utf8("images.json");
const CONTAINERS = utf8("containers.json");
const VOLATILE_CONTAINERS = utf8("volatile-containers.json");
const MOUNTPOINTS = utf8("mountpoints.json");

interface Cached<T> {
  readonly stamp: string;
  readonly value: T;
}

/** Indexes that a change may be about; locks are always taken in this order. */
export type Index = "layers" | "images" | "containers";

/**
 * The indexes of one store. What was read is kept until the token of the index's lock (for layers, also the times of
 * its files) says that somebody has written, just as the real library does it.
 */
export class Records {
  readonly #places: StorePlaces;
  #layers: Cached<LayerTable> | undefined;
  #images: Cached<ImageTable> | undefined;
  #containers: Cached<readonly ContainerRecord[]> | undefined;

  constructor(places: StorePlaces) {
    this.#places = places;
  }

  async layers(signal?: AbortSignal): Promise<LayerTable> {
    return await this.#read("layers", signal, (held) => this.#loadLayers(held));
  }

  /** Runs `work` while the layers are locked for reading: to be brief. */
  async withLayers<T>(signal: AbortSignal | undefined, work: (table: LayerTable) => T): Promise<T> {
    return await this.#read("layers", signal, (held) => work(this.#loadLayers(held)));
  }

  async images(signal?: AbortSignal): Promise<ImageTable> {
    return await this.#read("images", signal, (held) => this.#loadImages(held));
  }

  /** Those of `containers.json` and of `volatile-containers.json`, in the graph root and for transient stores in the run root. */
  async containers(signal?: AbortSignal): Promise<readonly ContainerRecord[]> {
    return await this.#read("containers", signal, (held) => this.#loadContainers(held));
  }

  /** Layers that are mounted, by the run root's own word. */
  async mountpoints(signal?: AbortSignal): Promise<readonly MountpointRecord[]> {
    const dir = this.#places.dirOptional("layers", "run");
    if (dir === undefined) return [];
    using _held = await new StoreLock(dir, "mountpoints.lock").shared(signal);
    return parseMountpoints(readText(dir, MOUNTPOINTS));
  }

  /**
   * Takes the locks of the indexes for writing, reads what others wrote, and lets `work` change and save them.
   * Nothing that takes long may be done in it.
   */
  async change<T>(
    indexes: readonly Index[],
    signal: AbortSignal | undefined,
    work: (change: Change) => Promise<T>,
  ): Promise<T> {
    this.#places.requireWritable();
    throwIfAborted(signal);
    const locks: Partial<Record<Index, HeldLock>> = {};
    try {
      for (const index of ["layers", "images", "containers"] as const) {
        if (!indexes.includes(index)) continue;
        locks[index] = await this.#lockOf(index, this.#places.dir(index)).exclusive(signal);
      }
      const change = new Change(
        this.#places,
        locks,
        locks.layers === undefined ? undefined : this.#loadLayers(locks.layers),
        locks.images === undefined ? undefined : this.#loadImages(locks.images),
        locks.containers === undefined ? undefined : this.#loadContainers(locks.containers),
      );
      try {
        return await work(change);
      } finally {
        // What was written, or begun and not written, is read anew.
        if (change.changed.has("layers")) this.#layers = undefined;
        if (change.changed.has("images")) this.#images = undefined;
      }
    } finally {
      for (const index of ["containers", "images", "layers"] as const) locks[index]?.[Symbol.dispose]();
    }
  }

  async #read<T>(
    index: Index,
    signal: AbortSignal | undefined,
    load: (held: HeldLock | undefined) => T,
  ): Promise<T> {
    throwIfAborted(signal);
    const dir = this.#places.dirOptional(index);
    if (dir === undefined) return load(undefined);
    using held = await this.#lockOf(index, dir).shared(signal);
    return load(held);
  }

  #lockOf(index: Part, dir: Dir): StoreLock {
    return new StoreLock(dir, `${index}.lock`);
  }

  #loadLayers(held: HeldLock | undefined): LayerTable {
    const dir = this.#places.dirOptional("layers");
    if (dir === undefined) return new LayerTable([], []);
    const run = this.#places.dirOptional("layers", "run");
    const stamp = [
      held?.token() ?? "",
      stampOf(dir, LAYERS),
      stampOf(dir, VOLATILE_LAYERS),
      stampOf(run, VOLATILE_LAYERS),
    ].join("/");
    if (this.#layers?.stamp === stamp) return this.#layers.value;
    const transient = run === undefined ? "" : readText(run, VOLATILE_LAYERS);
    const value = new LayerTable(parseLayers(readText(dir, LAYERS)), [
      ...parseLayers(readText(dir, VOLATILE_LAYERS), "volatile-layers.json"),
      ...parseLayers(transient, "volatile-layers.json"),
    ]);
    this.#layers = { stamp, value };
    return value;
  }

  #loadImages(held: HeldLock | undefined): ImageTable {
    const dir = this.#places.dirOptional("images");
    if (dir === undefined) return new ImageTable([]);
    const stamp = `${held?.token() ?? ""}/${stampOf(dir, IMAGES)}`;
    if (this.#images?.stamp === stamp) return this.#images.value;
    const value = new ImageTable(parseImages(readText(dir, IMAGES)));
    this.#images = { stamp, value };
    return value;
  }

  #loadContainers(held: HeldLock | undefined): readonly ContainerRecord[] {
    const dir = this.#places.dirOptional("containers");
    const run = this.#places.dirOptional("containers", "run");
    const stamp = [
      held?.token() ?? "",
      stampOf(dir, CONTAINERS),
      stampOf(dir, VOLATILE_CONTAINERS),
      stampOf(run, VOLATILE_CONTAINERS),
    ].join("/");
    if (this.#containers?.stamp === stamp) return this.#containers.value;
    const volatile = "volatile-containers.json";
    const value = [
      ...(dir === undefined ? [] : parseContainers(readText(dir, CONTAINERS))),
      ...(dir === undefined ? [] : parseContainers(readText(dir, VOLATILE_CONTAINERS), volatile)),
      ...(run === undefined ? [] : parseContainers(readText(run, VOLATILE_CONTAINERS), volatile)),
    ];
    this.#containers = { stamp, value };
    return value;
  }
}

/** Indexes that are locked for writing. */
export class Change {
  readonly #places: StorePlaces;
  readonly #locks: Partial<Record<Index, HeldLock>>;
  /** Indexes that were saved, or were going to be. */
  readonly changed = new Set<Index>();
  #layers: LayerTable | undefined;
  #images: ImageTable | undefined;
  readonly #containers: readonly ContainerRecord[] | undefined;

  constructor(
    places: StorePlaces,
    locks: Partial<Record<Index, HeldLock>>,
    layers: LayerTable | undefined,
    images: ImageTable | undefined,
    containers: readonly ContainerRecord[] | undefined,
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
    return locked("containers", this.#containers);
  }

  /**
   * Writes the stable layers: a new token, the index, and then, as the real library does with every save, the mount
   * points with theirs.
   */
  async saveLayers(stable: readonly LayerRecord[]): Promise<void> {
    const lock = locked("layers", this.#locks.layers);
    const volatile = this.layers.volatile;
    this.changed.add("layers");
    const run = this.#places.dir("layers", "run");
    using mounts = await new StoreLock(run, "mountpoints.lock").exclusive();
    lock.touch();
    writeText(this.#places.dir("layers"), LAYERS, printLayers(stable));
    this.#layers = new LayerTable(stable, volatile);
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
}

function locked<T>(index: Index, value: T | undefined): T {
  if (value === undefined) throw new TypeError(`${index} are not part of this change`);
  return value;
}

function stampOf(dir: Dir | undefined, name: ByteString): string {
  const found = dir?.statOptional(name);
  return found === undefined ? "" : `${found.mtime.seconds}.${found.mtime.nanoseconds}.${found.ino}`;
}

function readText(dir: Dir, name: ByteString): string {
  return dir.readFileOptional(name, { limit: INDEX_LIMIT })?.toString("utf8") ?? "";
}

function writeText(dir: Dir, name: ByteString, text: string): void {
  dir.atomicWrite(name, Buffer.from(text, "utf8"), { mode: 0o600, sync: "data" });
}
