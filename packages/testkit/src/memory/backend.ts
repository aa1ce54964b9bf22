import type {
  Backend,
  BackendTraits,
  Garbage,
  GcApplyOptions,
  GcOptions,
  GcPlan,
  GcResult,
  Image,
  ImageSink,
  ImageSource,
  ImageSummary,
  ImageWriteOptions,
  Inspection,
  InspectOptions,
  Layer,
  LayerSink,
  LayerSource,
  Root,
  RootsOptions,
  SourcedTree,
  TreeSink,
  TreeSource,
  Usage,
  UsageOptions,
  VerifyOptions,
  WrittenImage,
  WrittenLayer,
  WrittenTree,
} from "@bootc-store/backend";
import { TallyBuilder } from "@bootc-store/backend";
import {
  type BackendKind,
  type Digest,
  type Finding,
  Lifetime,
  type OperationOptions,
  printDigest,
  throwIfAborted,
} from "@bootc-store/core";

import { MemoryLayers } from "./layers.ts";
import { memoryErrors, MemoryObjects, sha256 } from "./objects.ts";
import { MemoryTrees } from "./trees.ts";

interface StoredImage {
  readonly manifest: Image["manifest"];
  readonly config: Image["config"];
  readonly layers: Image["layers"];
  readonly names: Set<string>;
}

/**
 * A store in memory that keeps every promise of the contract and has every port. It shows that the contract can
 * be kept, and stands in for a real store where a test is about something else.
 */
export class MemoryBackend
  implements Backend, TreeSource, TreeSink, LayerSource, LayerSink, ImageSource, ImageSink
{
  readonly kind: BackendKind;
  readonly traits: BackendTraits = {
    digest: "sha256",
    verity: "off",
    readOnly: false,
    adopts: [],
    formats: { read: ["memory"], written: "memory" },
    features: [],
  };
  /** Open, so that a test can damage them. */
  readonly objects = new MemoryObjects();
  readonly layers = new MemoryLayers(this.objects);
  readonly trees = new MemoryTrees(this.objects);
  /** Names of trees, which are roots of a collection. */
  readonly treeNames = new Map<string, string>();
  readonly #images = new Map<string, StoredImage>();
  readonly #life = new Lifetime("in-memory store");
  #locked = false;

  constructor(kind: BackendKind = "composefs") {
    this.kind = kind;
  }

  async inspect(options: InspectOptions = {}): Promise<Inspection> {
    this.#begin(options);
    return {
      kind: this.kind,
      format: "memory",
      readOnly: false,
      counts: {
        images: this.#images.size,
        layers: this.layers.ids().length,
        objects: this.objects.keys().length,
        trees: this.trees.ids().length,
      },
      facts: [],
      findings: [],
    };
  }

  async *roots(options: RootsOptions = {}): AsyncGenerator<Root> {
    this.#begin(options);
    for (const [id, image] of [...this.#images].sort()) {
      for (const name of [...image.names].sort()) {
        throwIfAborted(options.signal);
        yield { backend: this.kind, kind: "image", name, target: id };
      }
    }
    for (const [name, target] of [...this.treeNames].sort()) {
      throwIfAborted(options.signal);
      yield { backend: this.kind, kind: "ref", name, target };
    }
  }

  async *verify(options: VerifyOptions = {}): AsyncGenerator<Finding> {
    this.#begin(options);
    const depth = options.depth ?? "content";
    if (depth !== "structure") {
      for (const [owner, references] of this.#references()) {
        for (const key of references) {
          throwIfAborted(options.signal);
          if (!this.objects.has(key))
            yield this.#finding("object-missing", "object", key, `${owner} needs it`);
        }
      }
      for (const [id, image] of [...this.#images].sort()) {
        for (const layer of image.layers) {
          if (!this.layers.has(layer.diffId)) {
            yield this.#finding("layer-missing", "layer", printDigest(layer.diffId), `image ${id} needs it`);
          }
        }
      }
    }
    if (depth === "content") {
      for (const key of this.objects.keys()) {
        throwIfAborted(options.signal);
        const actual = sha256(this.objects.get(key));
        if (actual !== key) {
          yield {
            ...this.#finding("object-digest-mismatch", "object", key, "its bytes have changed"),
            expected: key,
            actual,
          };
        }
      }
    }
  }

  async usage(options: UsageOptions = {}): Promise<Usage> {
    this.#begin(options);
    let bytes = 0;
    for (const key of this.objects.keys()) bytes += this.objects.get(key).length;
    let inline = 0;
    for (const id of this.layers.ids()) inline += this.layers.size(id);
    const inodes = this.objects.keys().length + this.layers.ids().length;
    return {
      kind: this.kind,
      apparentBytes: bytes + inline,
      allocatedBytes: bytes + inline,
      inodes,
      parts: [
        { name: "objects", apparentBytes: bytes, inodes: this.objects.keys().length },
        { name: "layers", apparentBytes: inline, inodes: this.layers.ids().length },
      ],
    };
  }

  async planGc(options: GcOptions = {}): Promise<GcPlan> {
    this.#begin(options);
    const roots: Root[] = [];
    for await (const root of this.roots(options)) roots.push(root);
    roots.push(...(options.keep ?? []));
    const garbage = this.#garbage(roots);
    return { kind: this.kind, roots, garbage, bytes: garbage.reduce((sum, each) => sum + each.bytes, 0) };
  }

  async applyGc(plan: GcPlan, options: GcApplyOptions = {}): Promise<GcResult> {
    this.#begin(options);
    return await this.#exclusively(async () => {
      const roots: Root[] = [];
      for await (const root of this.roots(options)) roots.push(root);
      // What only the plan's caller wanted kept stays wanted; the store's own roots are asked anew.
      const own = new Set(roots.map((root) => `${root.kind} ${root.name}`));
      roots.push(...plan.roots.filter((root) => !own.has(`${root.kind} ${root.name}`)));
      const garbage = new Map(this.#garbage(roots).map((each) => [`${each.kind} ${each.id}`, each]));
      const removed: Garbage[] = [];
      const kept: Garbage[] = [];
      for (const each of plan.garbage) {
        throwIfAborted(options.signal);
        if (garbage.has(`${each.kind} ${each.id}`) && this.#remove(each)) removed.push(each);
        else kept.push(each);
      }
      return { removed, kept, bytes: removed.reduce((sum, each) => sum + each.bytes, 0) };
    });
  }

  async readTree(id: string, options: OperationOptions = {}): Promise<SourcedTree> {
    this.#begin(options);
    return this.trees.read(this.treeNames.get(id) ?? id);
  }

  async writeTree(source: SourcedTree, options: OperationOptions = {}): Promise<WrittenTree> {
    this.#begin(options);
    return await this.trees.write(source, options.signal);
  }

  async openLayer(diffId: Digest, options: OperationOptions = {}): Promise<Layer | undefined> {
    this.#begin(options);
    return this.layers.open(diffId);
  }

  async hasLayer(diffId: Digest, options: OperationOptions = {}): Promise<boolean> {
    this.#begin(options);
    return this.layers.has(diffId);
  }

  async writeLayer(layer: Layer, options: OperationOptions = {}): Promise<WrittenLayer> {
    this.#begin(options);
    return await this.layers.write(layer, options.signal);
  }

  async *listImages(options: OperationOptions = {}): AsyncGenerator<ImageSummary> {
    this.#begin(options);
    for (const [id, image] of [...this.#images].sort()) {
      throwIfAborted(options.signal);
      yield { id, names: [...image.names].sort(), manifestDigest: image.manifest.digest };
    }
  }

  async openImage(reference: string, options: OperationOptions = {}): Promise<Image | undefined> {
    this.#begin(options);
    for (const [id, image] of this.#images) {
      if (id !== reference && !image.names.has(reference) && printDigest(image.manifest.digest) !== reference)
        continue;
      const { layers } = this;
      return {
        manifest: image.manifest,
        config: image.config,
        layers: image.layers,
        async openLayer(index) {
          const wanted = image.layers[index];
          const layer = wanted === undefined ? undefined : layers.open(wanted.diffId);
          if (layer === undefined)
            throw memoryErrors.error("layer-missing", `image ${id} has no layer ${index}`);
          return layer;
        },
        async [Symbol.asyncDispose]() {},
      };
    }
    return undefined;
  }

  async writeImage(image: Image, options: ImageWriteOptions = {}): Promise<WrittenImage> {
    this.#begin(options);
    const tally = new TallyBuilder();
    const layers: { diffId: Digest; created: boolean }[] = [];
    for (const [index, { diffId }] of image.layers.entries()) {
      throwIfAborted(options.signal);
      if (this.layers.has(diffId)) {
        layers.push({ diffId, created: false });
        continue;
      }
      const written = await this.layers.write(await image.openLayer(index, options), options.signal);
      tally.addAll(written.content);
      layers.push({ diffId, created: written.created });
    }
    const id = image.config.digest.hex;
    const known = this.#images.get(id);
    const names = known?.names ?? new Set<string>();
    for (const name of options.names ?? []) {
      for (const other of this.#images.values()) other.names.delete(name);
      names.add(name);
    }
    this.#images.set(id, { manifest: image.manifest, config: image.config, layers: image.layers, names });
    return { id, created: known === undefined, layers, content: tally.tally() };
  }

  /** Takes a name away; the image stays until a collection. */
  untag(name: string): void {
    for (const image of this.#images.values()) image.names.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end();
  }

  #begin(options: OperationOptions): void {
    this.#life.assertOpen();
    throwIfAborted(options.signal);
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#locked) throw memoryErrors.error("store-locked", "another collection is running");
    this.#locked = true;
    try {
      return await work();
    } finally {
      this.#locked = false;
    }
  }

  #references(): [string, readonly string[]][] {
    return [
      ...this.layers
        .ids()
        .map((id): [string, readonly string[]] => [`layer ${id}`, this.layers.references(id)]),
      ...this.trees.ids().map((id): [string, readonly string[]] => [`tree ${id}`, this.trees.references(id)]),
    ];
  }

  #garbage(roots: readonly Root[]): Garbage[] {
    const targets = new Set(roots.map((root) => root.target));
    const images = new Set([...this.#images.keys()].filter((id) => targets.has(id)));
    const layers = new Set(this.layers.ids().filter((id) => targets.has(id)));
    for (const id of images) {
      for (const layer of this.#images.get(id)?.layers ?? []) layers.add(printDigest(layer.diffId));
    }
    const trees = new Set(this.trees.ids().filter((id) => targets.has(id)));
    const objects = new Set<string>();
    for (const id of layers) for (const key of this.layers.references(id)) objects.add(key);
    for (const id of trees) for (const key of this.trees.references(id)) objects.add(key);
    return [
      ...[...this.#images.keys()]
        .sort()
        .filter((id) => !images.has(id))
        .map((id) => ({ kind: "image", id, bytes: 0 })),
      ...this.layers
        .ids()
        .filter((id) => !layers.has(id))
        .map((id) => ({ kind: "layer", id, bytes: this.layers.size(id) })),
      ...this.trees
        .ids()
        .filter((id) => !trees.has(id))
        .map((id) => ({ kind: "tree", id, bytes: 0 })),
      ...this.objects
        .keys()
        .filter((id) => !objects.has(id))
        .map((id) => ({ kind: "object", id, bytes: this.objects.get(id).length })),
    ];
  }

  #remove({ kind, id }: Garbage): boolean {
    if (kind === "image") return this.#images.delete(id);
    if (kind === "layer") return this.layers.delete(id);
    if (kind === "tree") return this.trees.delete(id);
    return this.objects.delete(id);
  }

  #finding(problem: string, kind: string, id: string, message: string): Finding {
    return {
      code: `memory/${problem}`,
      severity: "error",
      subject: { backend: this.kind, kind, id },
      message: `${kind} ${id}: ${message}`,
      repair: "refetch",
    };
  }
}
