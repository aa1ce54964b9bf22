import type {
  AdoptOptions,
  Backend,
  BackendTraits,
  Content,
  ContentSource,
  GcApplyOptions,
  GcOptions,
  GcPlan,
  GcResult,
  Image,
  ImageSink,
  ImageSource,
  ImageSummary,
  Inspection,
  InspectOptions,
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
  WrittenLayer,
} from "@bootc-store/backend";
import { type Digest, type Finding, type OperationOptions, throwIfAborted } from "@bootc-store/core";
import { readImage, treeOfImage } from "@bootc-store/erofs";
import { createPool, type Dir, type Pool } from "@bootc-store/linux";

import { ALGORITHMS } from "./algorithm.ts";
import { applyGc, planGc } from "./maintenance/gc.ts";
import { rootsOf } from "./maintenance/mark.ts";
import { usageOf } from "./maintenance/usage.ts";
import { verifyRepository } from "./maintenance/verify.ts";
import { readImageBytes } from "./oci/erofs-image.ts";
import {
  listImages,
  openImage,
  writeImage,
  type WriteImageOptions,
  type WrittenComposefsImage,
} from "./oci/image.ts";
import { hasLayer, openLayer, writeLayer } from "./oci/layer.ts";
import { type InitOptions, type OpenOptions, Repository } from "./repository/repository.ts";
import { listObjectLinks } from "./streams/links.ts";
import { listTags } from "./streams/tags.ts";

export interface BackendOptions {
  /** Workers for bulk work; one of its own, closed with it, unless given. */
  readonly pool?: Pool;
}

/** A composefs repository as a store among others. */
export class ComposefsBackend
  implements
    Backend,
    LayerSource,
    LayerSink,
    ImageSource,
    ImageSink<WriteImageOptions>,
    TreeSource,
    ContentSource
{
  readonly kind = "composefs";
  readonly repository: Repository;
  readonly #ownPool: boolean;
  readonly #pool: Pool;

  private constructor(repository: Repository, options: BackendOptions) {
    this.repository = repository;
    this.#ownPool = options.pool === undefined;
    this.#pool = options.pool ?? createPool();
  }

  static async open(dir: Dir, options: OpenOptions & BackendOptions = {}): Promise<ComposefsBackend> {
    return new ComposefsBackend(await Repository.open(dir, options), options);
  }

  /** Makes the repository if there is none. */
  static async ensure(dir: Dir, options: InitOptions & BackendOptions = {}): Promise<ComposefsBackend> {
    return new ComposefsBackend((await Repository.init(dir, options)).repository, options);
  }

  get traits(): BackendTraits {
    const { meta, secure, readOnly } = this.repository;
    return {
      digest: meta.algorithm,
      verity: secure ? "required" : "tried",
      readOnly,
      adopts: ["clone", "link"],
      formats: { read: ["1", "old"], written: String(meta.version) },
      features: [...meta.compatible, ...meta.readOnlyCompatible],
    };
  }

  async inspect(options: InspectOptions = {}): Promise<Inspection> {
    this.#begin(options);
    const { meta, secure, readOnly } = this.repository;
    let objects = 0;
    for (const { dir } of this.repository.objects.shards()) objects += dir.list().length;
    const links = (folder: "images" | "streams"): number => listObjectLinks(this.repository, folder).length;
    return {
      kind: this.kind,
      format: ALGORITHMS[meta.algorithm].name,
      readOnly,
      counts: {
        objects,
        images: links("images"),
        streams: links("streams"),
        tags: listTags(this.repository).length,
      },
      facts: [
        { name: "fs-verity", value: secure ? "required" : "not required" },
        {
          name: "EROFS formats",
          value: [meta.erofs.default, ...meta.erofs.extra].map((version) => `V${version}`).join(", "),
        },
      ],
      findings: [],
    };
  }

  async *roots(options: RootsOptions = {}): AsyncGenerator<Root> {
    this.#begin(options);
    for (const root of rootsOf(this.repository)) {
      throwIfAborted(options.signal);
      yield root;
    }
  }

  async *verify(options: VerifyOptions = {}): AsyncGenerator<Finding> {
    this.#begin(options);
    yield* verifyRepository(this.repository, this.#pool, options);
  }

  async usage(options: UsageOptions = {}): Promise<Usage> {
    this.#begin(options);
    return await usageOf(this.repository, options);
  }

  async planGc(options: GcOptions = {}): Promise<GcPlan> {
    this.#begin(options);
    return await planGc(this.repository, options);
  }

  async applyGc(plan: GcPlan, options: GcApplyOptions = {}): Promise<GcResult> {
    this.#begin(options);
    return await applyGc(this.repository, plan, options);
  }

  async hasLayer(diffId: Digest, options: OperationOptions = {}): Promise<boolean> {
    this.#begin(options);
    return hasLayer(this.repository, diffId);
  }

  async openLayer(diffId: Digest, options: OperationOptions = {}): Promise<Layer | undefined> {
    this.#begin(options);
    return await openLayer(this.repository, diffId);
  }

  async writeLayer(layer: Layer, options: AdoptOptions = {}): Promise<WrittenLayer> {
    this.#begin(options);
    return await writeLayer(this.repository, layer, { pool: this.#pool, ...options });
  }

  async *listImages(options: OperationOptions = {}): AsyncGenerator<ImageSummary> {
    this.#begin(options);
    yield* listImages(this.repository);
  }

  async openImage(reference: string, options: OperationOptions = {}): Promise<Image | undefined> {
    this.#begin(options);
    return await openImage(this.repository, reference);
  }

  async writeImage(image: Image, options: WriteImageOptions = {}): Promise<WrittenComposefsImage> {
    this.#begin(options);
    return await writeImage(this.repository, image, { pool: this.#pool, ...options });
  }

  /** The tree of an EROFS image, by its id or ref. */
  async readTree(id: string, options: OperationOptions = {}): Promise<SourcedTree> {
    this.#begin(options);
    return { tree: treeOfImage(readImage(readImageBytes(this.repository, id)).root), contents: this };
  }

  openContent(content: { readonly key: string }): Content {
    return this.repository.objects.content(content.key.replaceAll("/", ""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.repository[Symbol.asyncDispose]();
    if (this.#ownPool) await this.#pool[Symbol.asyncDispose]();
  }

  #begin(options: OperationOptions): void {
    this.repository.assertOpen();
    throwIfAborted(options.signal);
  }
}
