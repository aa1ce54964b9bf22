import type {
  Backend,
  BackendTraits,
  GcApplyOptions,
  GcOptions,
  GcPlan,
  GcResult,
  Image,
  ImageSink,
  ImageSource,
  ImageSummary,
  InspectOptions,
  Inspection,
  Layer,
  LayerSink,
  LayerSource,
  Root,
  RootsOptions,
  SourcedTree,
  TreeSource,
  Usage,
  UsageOptions,
  VerifyOptions,
  WrittenImage,
  WrittenLayer,
} from "@bootc-store/backend";
import { type Digest, type Finding, type OperationOptions, throwIfAborted } from "@bootc-store/core";
import { createPool, type Pool } from "@bootc-store/linux";
import type { Tree } from "@bootc-store/tree";

import { type DeletedImage, deleteImages, deleteLayer } from "./delete.ts";
import { type DiskUsage, diskUsage } from "./disk-usage.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import { normalName } from "./format/image-name.ts";
import { digestsOf, type ImageRecord } from "./format/images-json.ts";
import { defined, type LayerRecord } from "./format/layers-json.ts";
import { SIGNATURES, signatureKey, signatureSizes, splitSignatures } from "./format/signatures.ts";
import { readBigData } from "./big-data.ts";
import { applyGc, type GarbageOptions, listRoots, planGc } from "./gc.ts";
import { initStore } from "./init.ts";
import { writeLayer } from "./layer-import.ts";
import { inspectStore } from "./inspect.ts";
import { Lookup } from "./lookup.ts";
import { changeNames, type NamesChange, normalChange } from "./names.ts";
import { detectDriver } from "./places.ts";
import { writeImage } from "./ports/image-sink.ts";
import { openImageRecord, type PlacedLayer } from "./ports/image-source.ts";
import { readLayerTree, readTree } from "./ports/tree-source.ts";
import { openLayerRecord, type StoreRoot } from "./ports/layer-source.ts";
import type { Change } from "./change.ts";
import { repairStore, type StoreRepair } from "./repair.ts";
import {
  type CsWriteImageOptions,
  type CsWriteLayerOptions,
  openRoots,
  type OpenStoreOptions,
} from "./store-options.ts";
import { computeUsage } from "./usage.ts";
import { verifyStore } from "./verify.ts";

/** A graph root, with its run root and the additional stores it may read from. */
export class ContainersStorage
  implements
    ImageSource,
    ImageSink<CsWriteImageOptions>,
    LayerSource,
    LayerSink<CsWriteLayerOptions>,
    TreeSource,
    Backend
{
  readonly kind = "containers-storage";
  readonly readOnly: boolean;
  /** The store's own directories and indexes. */
  readonly primary: StoreRoot;
  readonly additional: readonly StoreRoot[];
  readonly #lookup: Lookup;
  readonly #pool: Pool;
  readonly #ownPool: boolean;

  private constructor(primary: StoreRoot, additional: readonly StoreRoot[], options: OpenStoreOptions) {
    this.primary = primary;
    this.additional = additional;
    this.#lookup = new Lookup([primary, ...additional]);
    this.readOnly = options.readOnly === true;
    this.#ownPool = options.pool === undefined;
    this.#pool = options.pool ?? createPool({ size: 0 });
  }

  /** Opens a store that is there. Throws `containers-storage/store-not-found`, `driver-unsupported`. */
  static open(options: OpenStoreOptions): ContainersStorage {
    const { primary, additional, readOnly } = openRoots(options);
    return new ContainersStorage(primary, additional, { ...options, readOnly });
  }

  /** Opens a store, and makes it first if the directory has none. Says which it was. */
  static ensure(options: OpenStoreOptions): { readonly store: ContainersStorage; readonly created: boolean } {
    const created = detectDriver(options.graphRoot) === undefined;
    const store = ContainersStorage.open({ ...options, driver: options.driver ?? "overlay" });
    initStore(store.primary.places);
    return { store, created };
  }

  get #roots(): readonly StoreRoot[] {
    this.primary.places.assertOpen();
    return [this.primary, ...this.additional];
  }

  // Records

  /** Images of the store and then of the additional ones. */
  async images(options?: OperationOptions): Promise<readonly ImageRecord[]> {
    const all: ImageRecord[] = [];
    for (const { records } of this.#roots) all.push(...(await records.images(options?.signal)));
    return all;
  }

  async layers(options?: OperationOptions): Promise<readonly LayerRecord[]> {
    const all: LayerRecord[] = [];
    for (const { records } of this.#roots) all.push(...(await records.layers(options?.signal)));
    return all;
  }

  async containers(options?: OperationOptions): Promise<readonly ContainerRecord[]> {
    this.primary.places.assertOpen();
    return await this.primary.records.containers(options?.signal);
  }

  /**
   * The image of an id, a name as it is or normalised, a manifest digest, `name@digest`, `@id`, or the beginning of an
   * id that only one has.
   */
  async findImage(reference: string, options?: OperationOptions): Promise<ImageRecord | undefined> {
    return (await this.#lookup.findImage(reference, options?.signal))?.record;
  }

  /** A layer and those below it, lowest first. Throws `containers-storage/layer-not-found`, `layer-incomplete`. */
  async chain(top: string | undefined, options?: OperationOptions): Promise<readonly PlacedLayer[]> {
    return await this.#lookup.chain(top, options);
  }

  // The contract

  get traits(): BackendTraits {
    const { driver } = this.primary.places;
    return {
      digest: "sha256",
      verity: "off",
      readOnly: this.readOnly,
      adopts: ["clone"],
      formats: { read: ["overlay", "vfs"], written: "overlay" },
      features: driver === "overlay" ? [] : [driver],
    };
  }

  async inspect(options?: InspectOptions): Promise<Inspection> {
    return await inspectStore(this.primary, this.additional.length, options?.signal);
  }

  /** Every image by each of its names, images without one, and containers. */
  async *roots(options?: RootsOptions): AsyncGenerator<Root> {
    yield* await listRoots(this.primary, options?.signal);
  }

  async *verify(options: VerifyOptions & GarbageOptions = {}): AsyncGenerator<Finding> {
    this.primary.places.assertOpen();
    const { depth = "content", signal, unreferencedAfter } = options;
    const others = new Set<string>();
    for (const { records } of this.additional)
      for (const { id } of await records.layers(signal)) others.add(id);
    yield* verifyStore(this.primary, {
      depth,
      ...defined({ signal, unreferencedAfter }),
      hasLayer: (id) => others.has(id),
    });
  }

  /**
   * Checks everything and removes images and layers that are damaged or stand on what is, and what nobody needs. What a
   * container stands on stays, and is named; with `force` such containers are removed too.
   */
  async repair(
    options: OperationOptions & GarbageOptions & { readonly force?: boolean } = {},
  ): Promise<StoreRepair> {
    this.primary.places.assertOpen();
    const others = new Set<string>();
    for (const { records } of this.additional)
      for (const { id } of await records.layers(options.signal)) others.add(id);
    return await repairStore(this.primary, { ...options, hasLayer: (id) => others.has(id) });
  }

  async usage(options: UsageOptions = {}): Promise<Usage> {
    return await computeUsage(this.primary, options);
  }

  /** Layers that nothing stands on and that are older than a day, and what programs that died have left. */
  async planGc(options: GcOptions = {}): Promise<GcPlan> {
    return await planGc(this.primary, options.keep ?? [], options.signal);
  }

  async applyGc(plan: GcPlan, options?: GcApplyOptions): Promise<GcResult> {
    this.primary.places.assertOpen();
    return await applyGc(this.primary, plan, options?.signal);
  }

  // Names and removal

  /** Changes the names of an image, which may be given by any reference. Returns those it then has. */
  async changeNames(
    reference: string,
    change: NamesChange,
    options?: OperationOptions,
  ): Promise<readonly string[]> {
    const id = await this.#ownImage(reference, options);
    return await changeNames(this.primary, id, normalChange(change), options?.signal);
  }

  /**
   * Removes an image, all its names, and the layers that only it needed. Throws `containers-storage/image-in-use` if a
   * container uses it.
   */
  async deleteImage(reference: string, options?: OperationOptions): Promise<DeletedImage> {
    const id = await this.#ownImage(reference, options);
    const select = ({ images }: Change): ImageRecord[] => images.records.filter((record) => record.id === id);
    const [deleted] = await deleteImages(this.primary, select, options?.signal);
    if (deleted !== undefined) return deleted;
    throw containersStorageErrors.error("image-not-found", `image not known: ${reference}`, {
      context: { image: id },
    });
  }

  /** Removes one layer, which nothing may stand on. */
  async deleteLayer(reference: string, options?: OperationOptions): Promise<void> {
    const found = (await this.primary.records.layers(options?.signal)).find(reference);
    await deleteLayer(this.primary, found?.id ?? reference, options?.signal);
  }

  /** Removes images without a name that no container uses. */
  async pruneDangling(options?: OperationOptions): Promise<readonly DeletedImage[]> {
    return await this.#prune(({ names }) => names.length === 0, options);
  }

  /**
   * Removes every image that has none of these names, which are normalised; images that a container uses stay. An image
   * without a name always goes.
   */
  async pruneExcept(roots: Iterable<string>, options?: OperationOptions): Promise<readonly DeletedImage[]> {
    const kept = new Set([...roots].map(normalName));
    return await this.#prune(({ names }) => !names.some((name) => kept.has(name)), options);
  }

  async #prune(
    isGarbage: (image: ImageRecord) => boolean,
    options: OperationOptions | undefined,
  ): Promise<readonly DeletedImage[]> {
    this.primary.places.assertOpen();
    const select = ({ images, containers }: Change): ImageRecord[] => {
      const used = new Set(containers.map(({ image }) => image));
      return images.records.filter((record) => isGarbage(record) && !used.has(record.id));
    };
    return await deleteImages(this.primary, select, options?.signal);
  }

  /** Sizes by the records, as podman says them. */
  async diskUsage(options?: OperationOptions): Promise<DiskUsage> {
    return await diskUsage(this.primary, options?.signal);
  }

  /** The id of an image of this store. One of an additional store only is not this store's to change. */
  async #ownImage(reference: string, options: OperationOptions | undefined): Promise<string> {
    const found = await this.#lookup.findImage(reference, options?.signal);
    if (found === undefined) {
      throw containersStorageErrors.error("image-not-found", `image not known: ${reference}`, {
        context: { ref: reference },
      });
    }
    if (found.root === this.primary) return found.record.id;
    throw containersStorageErrors.error(
      "store-read-only",
      `image ${found.record.id} is in an additional store`,
      {
        context: { image: found.record.id },
      },
    );
  }

  // Images

  async *listImages(options?: OperationOptions): AsyncGenerator<ImageSummary> {
    for (const record of await this.images(options)) {
      throwIfAborted(options?.signal);
      const manifestDigest = record.bigDataDigests.get("manifest") ?? digestsOf(record)[0];
      const { id, names, created } = record;
      yield { id, names, created, ...defined({ manifestDigest }) };
    }
  }

  async openImage(reference: string, options?: OperationOptions): Promise<Image | undefined> {
    const found = await this.#lookup.findImage(reference, options?.signal);
    if (found === undefined) return undefined;
    return openImageRecord(found.root, found.record, await this.#lookup.chain(found.record.layer, options));
  }

  /**
   * The signatures that were stored with an image, of its own manifest or of that with a digest; none if there are none.
   * Throws `containers-storage/image-not-found`, `signatures-invalid`.
   */
  async readSignatures(
    reference: string,
    options: OperationOptions & { readonly manifest?: Digest } = {},
  ): Promise<readonly Uint8Array[]> {
    const { manifest, signal } = options;
    const found = await this.#lookup.findImage(reference, signal);
    if (found === undefined) {
      throw containersStorageErrors.error("image-not-found", `image not known: ${reference}`, {
        context: { ref: reference },
      });
    }
    const { root, record } = found;
    const sizes = signatureSizes(record.metadata, manifest);
    if (sizes.length === 0) return [];
    const key = manifest === undefined ? SIGNATURES : signatureKey(manifest);
    return splitSignatures(readBigData(root.places, "images", record.id, key), sizes);
  }

  /** Names are normalised; what another image is called it is not called any more. */
  async writeImage(image: Image, options: CsWriteImageOptions = {}): Promise<WrittenImage> {
    this.primary.places.assertOpen();
    const names = options.names?.map(normalName);
    return await writeImage(this.primary, image, {
      ...options,
      ...defined({ names }),
      pool: this.#pool,
      additional: this.additional,
    });
  }

  // Layers

  async openLayer(diffId: Digest, options?: OperationOptions): Promise<Layer | undefined> {
    for (const root of this.#roots) {
      for (const record of (await root.records.layers(options?.signal)).withDiff(diffId)) {
        const split = root.places.hasTarSplit(record.id);
        if (split) return openLayerRecord(root, record);
      }
    }
    return undefined;
  }

  async hasLayer(diffId: Digest, options?: OperationOptions): Promise<boolean> {
    for (const { records } of this.#roots) {
      if ((await records.layers(options?.signal)).withDiff(diffId).length > 0) return true;
    }
    return false;
  }

  async writeLayer(layer: Layer, options: CsWriteLayerOptions = {}): Promise<WrittenLayer> {
    this.primary.places.assertOpen();
    const { parent } = options;
    if (parent !== undefined) await this.#lookup.chain(parent, options);
    const below = parent === undefined ? undefined : await this.#lookup.findLayer(parent, options.signal);
    const hasParent = below !== undefined && below.root !== this.primary;
    return await writeLayer(this.primary, layer, { ...options, pool: this.#pool, hasParent });
  }

  // Trees

  /** A layer's own diff directory as a tree, with overlay's marks in it. */
  async readLayerTree(id: string, options?: OperationOptions): Promise<Tree> {
    this.primary.places.assertOpen();
    return await readLayerTree(this.#lookup, id, options);
  }

  /** What a mount of an image, by any reference, or of a layer, by its id, would show. */
  async readTree(id: string, options?: OperationOptions): Promise<SourcedTree> {
    this.primary.places.assertOpen();
    return await readTree(this.#lookup, id, options);
  }

  /** Closes the directories, without waiting. */
  close(): void {
    for (const { places } of [...this.additional, this.primary]) places[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.#ownPool) await this.#pool[Symbol.asyncDispose]();
  }
}
