import type {
  Content,
  ContentSource,
  Image,
  ImageSink,
  ImageSource,
  ImageSummary,
  ImageWriteOptions,
  Layer,
  LayerSink,
  LayerSource,
  SourcedTree,
  TreeSource,
  WrittenImage,
  WrittenLayer,
  AdoptOptions,
} from "@bootc-store/backend";
import {
  type ByteString,
  type Digest,
  type OperationOptions,
  parseDigestOptional,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { createPool, type Dir, type Pool } from "@bootc-store/linux";
import { printDockerReference, repositoryOf } from "@bootc-store/oci";
import { mergeTrees, overlayRules, type Tree } from "@bootc-store/tree";

import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import { normalName, parseNameOptional } from "./format/image-name.ts";
import { digestsOf, type ImageRecord } from "./format/images-json.ts";
import { layerId } from "./format/layer-id.ts";
import { defined, isIncomplete, type LayerRecord } from "./format/layers-json.ts";
import { commitLayers, StagedLayer } from "./layers-write.ts";
import { initStore } from "./init.ts";
import { readDiffTree } from "./overlay/layer-tree.ts";
import { detectDriver, type Driver, StorePlaces } from "./places.ts";
import { writeImage } from "./ports/image-sink.ts";
import { openImageRecord, type PlacedLayer } from "./ports/image-source.ts";
import { openLayerRecord, type StoreRoot } from "./ports/layer-source.ts";
import { Records } from "./records.ts";

export interface OpenStoreOptions {
  /** Taken over: the store closes it. */
  readonly graphRoot: Dir;
  /** Taken over. Needed for writing; without it nothing is known to be mounted. */
  readonly runRoot?: Dir;
  /** Which driver's directories are meant; by default those that are there. */
  readonly driver?: Driver;
  /** Other graph roots, which are read after this one and never written. Taken over. */
  readonly additional?: readonly Dir[];
  readonly readOnly?: boolean;
  /** Workers for layers; the caller's. Without one everything is done on this thread. */
  readonly pool?: Pool;
}

export interface CsWriteLayerOptions extends AdoptOptions {
  /** The layer that this one is over. */
  readonly parent?: string;
}

export interface CsWriteImageOptions extends ImageWriteOptions {
  /** See `WriteImageOptions.sync`. */
  readonly sync?: boolean;
}

/** A graph root, with its run root and the additional stores it may read from. */
export class ContainersStorage
  implements
    ImageSource,
    ImageSink<CsWriteImageOptions>,
    LayerSource,
    LayerSink<CsWriteLayerOptions>,
    TreeSource,
    AsyncDisposable
{
  readonly kind = "containers-storage";
  readonly readOnly: boolean;
  /** The store's own directories and indexes. */
  readonly primary: StoreRoot;
  readonly additional: readonly StoreRoot[];
  readonly #pool: Pool;
  readonly #ownPool: boolean;

  private constructor(primary: StoreRoot, additional: readonly StoreRoot[], options: OpenStoreOptions) {
    this.primary = primary;
    this.additional = additional;
    this.readOnly = options.readOnly === true;
    this.#ownPool = options.pool === undefined;
    this.#pool = options.pool ?? createPool({ size: 0 });
  }

  /** Opens a store that is there. Throws `containers-storage/store-not-found`, `driver-unsupported`. */
  static open(options: OpenStoreOptions): ContainersStorage {
    const driver = options.driver ?? detectDriver(options.graphRoot);
    if (driver === undefined) {
      throw containersStorageErrors.error("store-not-found", "the directory is not a graph root");
    }
    const readOnly = options.readOnly === true || driver !== "overlay";
    const root = (graphRoot: Dir, runRoot: Dir | undefined, isReadOnly: boolean): StoreRoot => {
      const places = new StorePlaces({ driver, graphRoot, runRoot, readOnly: isReadOnly });
      return { places, records: new Records(places) };
    };
    const primary = root(options.graphRoot, options.runRoot, readOnly);
    const additional = (options.additional ?? []).map((dir) => root(dir, undefined, true));
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
    return (await this.#findImage(reference, options?.signal))?.record;
  }

  async #findImage(
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

  async #findLayer(id: string, signal: AbortSignal | undefined): Promise<PlacedLayer | undefined> {
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
      const placed: PlacedLayer | undefined = await this.#findLayer(id, options?.signal);
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
    const found = await this.#findImage(reference, options?.signal);
    if (found === undefined) return undefined;
    return openImageRecord(found.root, found.record, await this.chain(found.record.layer, options));
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
        const split = root.places.dir("layers").statOptional(utf8(`${record.id}.tar-split.gz`));
        if (split !== undefined) return openLayerRecord(root, record);
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
    const { places, records } = this.primary;
    places.assertOpen();
    places.requireWritable();
    const { parent, signal } = options;
    if (parent !== undefined) await this.chain(parent, options);
    const id = layerId(parent, layer.diffId);
    const elsewhere = parent === undefined ? undefined : (await this.#findLayer(parent, signal))?.root;
    const existing = (await records.layers(signal)).get(id);
    const { clone } = options;
    if (existing !== undefined && !isIncomplete(existing)) {
      const none = { files: 0, bytes: 0 };
      const reused = { files: 0, bytes: existing.diffSize ?? 0 };
      return { id, created: false, content: { reused, cloned: none, linked: none, copied: none } };
    }
    using staged = await StagedLayer.create(places, layer, {
      pool: this.#pool,
      ...defined({ signal, clone }),
    });
    const [created] = await commitLayers(places, records, [{ id, parent, staged }], {
      hasParent: () => elsewhere !== undefined && elsewhere !== this.primary,
      ...defined({ signal }),
    });
    return { id, created: created === true, content: staged.applied.content };
  }

  // Trees

  /** A layer's own diff directory as a tree, with overlay's marks in it. */
  async readLayerTree(id: string, options?: OperationOptions): Promise<Tree> {
    const placed = await this.#findLayer(id, options?.signal);
    if (placed === undefined) {
      throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
        context: { layer: id },
      });
    }
    return readPlacedTree(placed, options?.signal);
  }

  /** What a mount of an image, by any reference, or of a layer, by its id, would show. */
  async readTree(id: string, options?: OperationOptions): Promise<SourcedTree> {
    const image = await this.#findImage(id, options?.signal);
    const top =
      image === undefined ? (await this.#findLayer(id, options?.signal))?.record.id : image.record.layer;
    if (image === undefined && top === undefined) {
      throw containersStorageErrors.error("image-not-found", `neither an image nor a layer: ${id}`, {
        context: { ref: id },
      });
    }
    const chain = await this.chain(top, options);
    const [last] = chain.slice(-1);
    if (last?.root.places.driver === "vfs") {
      return { tree: readPlacedTree(last, options?.signal), contents: contentsOf(chain) };
    }
    const trees = chain.map((placed) => readPlacedTree(placed, options?.signal));
    return { tree: mergeTrees(trees, overlayRules), contents: contentsOf(chain) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { places } of [...this.additional, this.primary]) places[Symbol.dispose]();
    if (this.#ownPool) await this.#pool[Symbol.asyncDispose]();
  }
}

function readPlacedTree({ root, record }: PlacedLayer, signal: AbortSignal | undefined): Tree {
  using diff = root.places.dir("content").openDir(root.places.diffPath(record.id));
  return readDiffTree(diff, { prefix: record.id, ...defined({ signal }) });
}

/** Contents by layer and path. */
function contentsOf(chain: readonly PlacedLayer[]): ContentSource {
  const roots = new Map(chain.map(({ root, record }) => [record.id, root]));
  return {
    openContent({ key }, size): Content {
      const slash = key.indexOf("/");
      const id = key.slice(0, slash);
      const path = key.slice(slash + 1) as ByteString;
      const root = roots.get(id);
      if (root === undefined) {
        throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
          context: { layer: id },
        });
      }
      const dir = root.places.dir("content");
      const name = `${root.places.diffPath(id)}/${path}` as ByteString;
      return {
        size,
        file: { dir, name },
        async *read() {
          using file = dir.openFile(name);
          const found = file.stat().size;
          if (found !== size) {
            throw containersStorageErrors.error(
              "layer-content-mismatch",
              `"${path}" has ${found} of ${size} bytes`,
              {
                context: { path, layer: id },
              },
            );
          }
          for (let offset = 0; offset < size;) {
            const buffer = Buffer.allocUnsafeSlow(Math.min(1 << 20, size - offset));
            const count = file.readFull(buffer, offset);
            if (count < buffer.length) {
              throw containersStorageErrors.error("layer-content-mismatch", `"${path}" became shorter`, {
                context: { path, layer: id },
              });
            }
            yield buffer;
            offset += count;
          }
        },
      };
    },
  };
}

function repositoryIn(name: string): string | undefined {
  const parsed = parseNameOptional(name);
  return parsed === undefined ? undefined : repositoryOf(parsed);
}
