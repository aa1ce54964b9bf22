import type {
  Backend,
  BackendTraits,
  Content,
  ContentSource,
  GcApplyOptions,
  GcOptions,
  GcPlan,
  GcResult,
  ImageSummary,
  Inspection,
  InspectOptions,
  Root,
  RootsOptions,
  SourcedTree,
  TreeSink,
  TreeSource,
  Usage,
  UsageOptions,
  VerifyOptions,
  WrittenTree,
} from "@bootc-store/backend";
import {
  type Finding,
  isStoreError,
  Lifetime,
  type OperationOptions,
  renderError,
  throwIfAborted,
} from "@bootc-store/core";
import { createPool, type Dir, type Pool } from "@bootc-store/linux";

import type { WriteTreeOptions } from "../commit/options.ts";
import { ostreeErrors } from "../errors.ts";
import { readContent } from "../objects/content.ts";
import { listObjects } from "../read/objects-list.ts";
import { revParse } from "../read/rev-parse.ts";
import type { InitOptions } from "../repo/init.ts";
import { type OpenOptions, Repo } from "../repo/repo.ts";
import { applyGc, planGc } from "./gc.ts";
import { listImages } from "./images.ts";
import { treeOfCommit } from "./read-tree.ts";
import { rootsOf } from "./roots.ts";
import { usageOf } from "./usage.ts";
import { verifyRepo } from "./verify.ts";

/** An ostree repository as a store among others. */
export class OstreeBackend implements Backend, TreeSource, TreeSink<WriteTreeOptions>, ContentSource {
  readonly kind = "ostree";
  readonly repo: Repo;
  readonly #lifetime = new Lifetime("ostree store");
  readonly #ownPool: Pool | undefined;

  private constructor(repo: Repo, ownPool: Pool | undefined) {
    this.repo = repo;
    this.#ownPool = ownPool;
  }

  /** Opens a repository, with workers of its own unless some are given. `dir` is then its own to close. */
  static open(dir: Dir, options: OpenOptions = {}): OstreeBackend {
    const { pool, own } = poolOf(options);
    return new OstreeBackend(Repo.open(dir, { ...options, pool }), own);
  }

  /** Makes the repository if there is none. */
  static ensure(dir: Dir, options: OpenOptions & InitOptions): OstreeBackend {
    const { pool, own } = poolOf(options);
    return new OstreeBackend(Repo.ensure(dir, { ...options, pool }), own);
  }

  get traits(): BackendTraits {
    const { config, mode } = this.repo;
    return {
      digest: "sha256",
      verity: config.fsverity === "yes" ? "required" : config.fsverity === "maybe" ? "tried" : "off",
      readOnly: mode === "bare-split-xattrs",
      adopts: mode === "archive" ? [] : ["clone", "link"],
      formats: { read: ["1"], written: "1" },
      features: [mode],
    };
  }

  async inspect(options: InspectOptions = {}): Promise<Inspection> {
    this.#begin(options);
    const { repo } = this;
    let objects = 0;
    let commits = 0;
    for (const { type } of listObjects(repo.objects, repo.mode)) {
      if ((++objects & 0xfff) === 0) throwIfAborted(options.signal);
      if (type === "commit") commits++;
    }
    const findings: Finding[] = [];
    let refs = 0;
    try {
      refs = repo.refs.listAll().length;
    } catch (error) {
      if (!isStoreError(error)) throw error;
      findings.push({
        code: error.code,
        severity: "error",
        subject: { backend: "ostree", kind: "ref", id: "refs", path: "refs" },
        message: renderError(error),
        repair: "none",
      });
    }
    const { collectionId, parent } = repo.config;
    return {
      kind: this.kind,
      format: repo.mode,
      readOnly: this.traits.readOnly,
      counts: { objects, commits, refs },
      facts: [
        ...(collectionId === undefined ? [] : [{ name: "collection", value: collectionId }]),
        ...(parent === undefined ? [] : [{ name: "parent", value: parent }]),
      ],
      findings,
    };
  }

  async *roots(options: RootsOptions = {}): AsyncGenerator<Root> {
    this.#begin(options);
    for (const root of rootsOf(this.repo)) {
      throwIfAborted(options.signal);
      yield root;
    }
  }

  async *verify(options: VerifyOptions = {}): AsyncGenerator<Finding> {
    this.#begin(options);
    yield* verifyRepo(this.repo, options);
  }

  async usage(options: UsageOptions = {}): Promise<Usage> {
    this.#begin(options);
    return await usageOf(this.repo, options);
  }

  async planGc(options: GcOptions = {}): Promise<GcPlan> {
    this.#begin(options);
    return planGc(this.repo, options);
  }

  async applyGc(plan: GcPlan, options: GcApplyOptions = {}): Promise<GcResult> {
    this.#begin(options);
    return await applyGc(this.repo, plan, options);
  }

  /** Container images of which there is a merge commit. */
  async *listImages(options: OperationOptions = {}): AsyncGenerator<ImageSummary> {
    this.#begin(options);
    for (const image of listImages(this.repo)) {
      throwIfAborted(options.signal);
      yield image;
    }
  }

  /** The tree of a commit, by anything that names one: a checksum or its beginning, a ref, `REF^`. */
  async readTree(id: string, options: OperationOptions = {}): Promise<SourcedTree> {
    this.#begin(options);
    const { repo } = this;
    return { tree: treeOfCommit(repo, revParse(repo, id), options.signal), contents: this };
  }

  /** Commits a tree; the id is the commit's checksum. */
  async writeTree(source: SourcedTree, options: WriteTreeOptions): Promise<WrittenTree> {
    this.#begin(options);
    return await this.repo.writeTree(source, options);
  }

  openContent({ key }: { readonly key: string }): Content {
    const { repo } = this;
    using object = repo.openFile(key);
    if (object.info.target !== undefined)
      throw ostreeErrors.error("object-invalid", `${key}.file is a link and has no content`);
    const { size, stored } = object;
    const found = stored.kind === "plain" ? repo.reader.findFile(key) : undefined;
    return {
      size,
      ...(found === undefined ? {} : { file: { dir: found.dir, name: found.name } }),
      async *read() {
        using again = repo.openFile(key);
        yield* readContent(again, `${key}.file`);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#lifetime.end()) return;
    this.repo[Symbol.dispose]();
    await this.#ownPool?.[Symbol.asyncDispose]();
  }

  #begin(options: OperationOptions): void {
    this.#lifetime.assertOpen();
    throwIfAborted(options.signal);
  }
}

function poolOf({ pool }: OpenOptions): { readonly pool: Pool; readonly own: Pool | undefined } {
  if (pool !== undefined) return { pool, own: undefined };
  const own = createPool();
  return { pool: own, own };
}
