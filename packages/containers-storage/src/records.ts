import { type ByteString, throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { Change, type Index } from "./change.ts";
import { type ContainerRecord, parseContainers } from "./format/containers-json.ts";
import { parseImages } from "./format/images-json.ts";
import { parseLayers } from "./format/layers-json.ts";
import { type MountpointRecord, parseMountpoints } from "./format/mountpoints-json.ts";
import {
  CONTAINERS,
  IMAGES,
  LAYERS,
  MOUNTPOINTS,
  readText,
  VOLATILE_CONTAINERS,
  VOLATILE_LAYERS,
} from "./index-files.ts";
import { type HeldLock, StoreLock } from "./locks/store-lock.ts";
import type { Part, StorePlaces } from "./places.ts";
import { ImageTable, LayerTable, NO_SHELVES, type Shelves } from "./tables.ts";

/** Indexes that fit together. */
export interface Snapshot {
  readonly layers: LayerTable;
  readonly images: ImageTable;
  readonly containers: readonly ContainerRecord[];
}

interface Cached<T> {
  readonly stamp: string;
  readonly value: T;
}

/**
 * The indexes of one store. What was read is kept until the token of the index's lock (for layers, also the times of
 * its files) says that somebody has written, just as the real library does it.
 */
export class Records {
  readonly #places: StorePlaces;
  #layers: Cached<LayerTable> | undefined;
  #images: Cached<ImageTable> | undefined;
  #containers: Cached<Shelves<ContainerRecord>> | undefined;

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
    return await this.#read("containers", signal, (held) => {
      const { stable, volatile, transient } = this.#loadContainers(held);
      return [...stable, ...volatile, ...transient];
    });
  }

  /**
   * All of them as they were together: nothing is removed while the layers are locked, and an image's layers are there before
   * it is.
   */
  async snapshot(signal?: AbortSignal): Promise<Snapshot> {
    return await this.#read("layers", signal, async (held) => {
      const [images, containers] = [await this.images(signal), await this.containers(signal)];
      return { layers: this.#loadLayers(held), images, containers };
    });
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
        locks[index] = await this.#lockOf(index, this.#places.dir(index, this.#rootOf(index))).exclusive(
          signal,
        );
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
        if (change.changed.has("containers")) this.#containers = undefined;
      }
    } finally {
      for (const index of ["containers", "images", "layers"] as const) locks[index]?.[Symbol.dispose]();
    }
  }

  async #read<T>(
    index: Index,
    signal: AbortSignal | undefined,
    load: (held: HeldLock | undefined) => T | Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    const dir = this.#places.dirOptional(index, this.#rootOf(index));
    if (dir === undefined) return await load(undefined);
    using held = await this.#lockOf(index, dir).shared(signal);
    return await load(held);
  }

  #rootOf(index: Index): "graph" | "run" {
    return index === "containers" ? this.#places.containersIn : "graph";
  }

  #lockOf(index: Part, dir: Dir): StoreLock {
    return new StoreLock(dir, `${index}.lock`);
  }

  #loadLayers(held: HeldLock | undefined): LayerTable {
    const dir = this.#places.dirOptional("layers");
    if (dir === undefined) return new LayerTable(NO_SHELVES);
    const run = this.#places.dirOptional("layers", "run");
    const stamp = [
      held?.token() ?? "",
      stampOf(dir, LAYERS),
      stampOf(dir, VOLATILE_LAYERS),
      stampOf(run, VOLATILE_LAYERS),
    ].join("/");
    if (this.#layers?.stamp === stamp) return this.#layers.value;
    const transient = run === undefined ? "" : readText(run, VOLATILE_LAYERS);
    const value = new LayerTable({
      stable: parseLayers(readText(dir, LAYERS)),
      volatile: parseLayers(readText(dir, VOLATILE_LAYERS), "volatile-layers.json"),
      transient: parseLayers(transient, "volatile-layers.json"),
    });
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

  #loadContainers(held: HeldLock | undefined): Shelves<ContainerRecord> {
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
    const value = {
      stable: dir === undefined ? [] : parseContainers(readText(dir, CONTAINERS)),
      volatile: dir === undefined ? [] : parseContainers(readText(dir, VOLATILE_CONTAINERS), volatile),
      transient: run === undefined ? [] : parseContainers(readText(run, VOLATILE_CONTAINERS), volatile),
    };
    this.#containers = { stamp, value };
    return value;
  }
}

function stampOf(dir: Dir | undefined, name: ByteString): string {
  const found = dir?.statOptional(name);
  return found === undefined ? "" : `${found.mtime.seconds}.${found.mtime.nanoseconds}.${found.ino}`;
}
