import { type Image, TallyBuilder } from "@bootc-store/backend";
import { throwIfAborted, utf8, withContext } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import {
  copyTree,
  type File,
  type LabelPolicy,
  labelTree,
  LayerMerge,
  metadataOf,
  ostreeExtRules,
  type Tree,
  walkInodes,
} from "@bootc-store/tree";

import { treeOfCommit, type TreeObjects } from "../backend/read-tree.ts";
import { storeTree } from "../commit/from-tree.ts";
import { KnownContents } from "../commit/known-contents.ts";
import { MutableTree } from "../commit/mutable-tree.ts";
import { writeCommit } from "../commit/write-commit.ts";
import { composefsDigest, withComposefsDigest } from "../composefs/image.ts";
import type { Checksum } from "../format/checksum.ts";
import { type Commit, decodeCommit } from "../format/commit.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { decodeDirmeta } from "../format/file-info.ts";
import { type Dict, variant } from "../gvariant/index.ts";
import { HEADS } from "../repo/refs.ts";
import type { Repo } from "../repo/repo.ts";
import { policyOf } from "../selinux/policy.ts";
import type { Transaction } from "../repo/transaction.ts";
import { LayerContents } from "./contents.ts";
import { readDerivedLayer } from "./derived-layer.ts";
import { type MergeDocuments } from "./documents.ts";
import { KEYS } from "./images.ts";
import { blobOf, LayerCache, termsMetadata } from "./layer-cache.ts";
import { type ImageLayout, type PlacedLayer } from "./layout.ts";
import { checkComplete, storeObjectLayer } from "./object-layer.ts";
import { allowsNonUsr, lookup, treeReader } from "./policy.ts";
import { imageRefOf, layerRef } from "./refs.ts";
import { asCheckedOut } from "./user-form.ts";
import type { ImportedImage, ImportImageOptions } from "./import-options.ts";

/** What the commits say imported them: the version of ostree-ext whose rules these are. */
export const IMPORTER_VERSION = "0.15.3";

/** A commit of ostree's leaves the labels of files for which the policy has none. */
const AS_COMMIT = { unlabelled: "keep" } as const;

/** A layer of files, on its way from tar or commit into the merged tree. */
interface DerivedTree {
  readonly layer: PlacedLayer;
  readonly tree: Tree;
  /** Where it was there already. */
  readonly cached:
    | { readonly commit: Checksum; readonly own: boolean; readonly labelled: boolean }
    | undefined;
}

/** One import, up to where its transaction is committed. */
export class ImageImport {
  readonly #transaction: Transaction;
  readonly #repo: Repo;
  readonly #image: Image;
  readonly #layout: ImageLayout;
  readonly #documents: MergeDocuments;
  readonly #options: ImportImageOptions;
  readonly #known = new KnownContents();
  readonly #contents: LayerContents;
  readonly #cache: LayerCache;
  readonly #tally = new TallyBuilder();
  readonly #objects: TreeObjects;
  readonly #dropped = new Map<string, number>();
  #layersImported = 0;
  #bytesImported = 0;
  /** Commits that this import has made of layers of files, by their blobs. */
  readonly #committed = new Map<string, Checksum>();

  constructor(
    transaction: Transaction,
    image: Image,
    layout: ImageLayout,
    documents: MergeDocuments,
    options: ImportImageOptions,
  ) {
    this.#transaction = transaction;
    this.#repo = transaction.repo;
    this.#image = image;
    this.#layout = layout;
    this.#documents = documents;
    this.#options = options;
    this.#contents = new LayerContents(transaction, this.#known, this.#tally, options.signal);
    this.#cache = new LayerCache(transaction.repo, options.again);
    this.#objects = objectsOf(transaction);
  }

  async run(): Promise<ImportedImage> {
    const base = await this.#base();
    const baseTree = base === undefined ? undefined : this.#treeOf(base);
    const nonUsr = baseTree === undefined || (await allowsNonUsr(this.#reader(baseTree)));
    let derived = await this.#derived(nonUsr, true);
    let merged = this.#merge(base, derived);
    let policy = await policyOf(this.#reader(merged));
    if (policy === undefined && derived.some(({ cached }) => cached?.labelled === true)) {
      // Labels of another image's policy would stay, since this image has none to take their place.
      this.#uncount(derived);
      derived = await this.#derived(nonUsr, false);
      merged = this.#merge(base, derived);
      policy = await policyOf(this.#reader(merged));
    }
    const trees: MutableTree[] = [];
    for (const each of derived) trees.push(...(await this.#storeDerived(each, policy, nonUsr)));
    const root = await this.#storeMerged(merged, policy);
    const commit = await this.#writeMerge(root, base);
    this.#removeUnwanted([...trees, root]);
    const { reference } = this.#options;
    const ref = reference === undefined ? undefined : imageRefOf(reference);
    if (ref !== undefined) this.#transaction.setRef(ref, commit);
    return {
      commit,
      ref,
      created: true,
      layersPresent: this.#image.layers.length - this.#layersImported,
      layersImported: this.#layersImported,
      bytesImported: this.#bytesImported,
      dropped: this.#dropped,
      content: this.#tally.tally(),
    };
  }

  /** The layers of ostree objects; the commit that came in them. */
  async #base(): Promise<Checksum | undefined> {
    const { base, chunks } = this.#layout;
    if (base === undefined) return undefined;
    const before = this.#layersImported;
    const commit = await this.#objectLayer(base, "base");
    for (const chunk of chunks) await this.#objectLayer(chunk, "contents");
    if (this.#layersImported > before) checkComplete(this.#transaction, commit);
    return commit;
  }

  #countImported({ blob }: PlacedLayer): void {
    this.#layersImported++;
    this.#bytesImported += blob?.size ?? 0;
  }

  /** Before layers are gathered again. */
  #uncount(derived: readonly DerivedTree[]): void {
    for (const { layer, cached } of derived) {
      if (cached !== undefined) continue;
      this.#layersImported--;
      this.#bytesImported -= layer.blob?.size ?? 0;
    }
    this.#dropped.clear();
  }

  async #objectLayer(layer: PlacedLayer, kind: "base" | "contents"): Promise<Checksum> {
    const ref = layerRef(blobOf(layer));
    const cached = this.#cache.find(layer);
    if (cached !== undefined) {
      if (!cached.own) this.#transaction.setRef(ref, cached.commit);
      return cached.commit;
    }
    this.#countImported(layer);
    const { commit, contents } = await this.#read(layer, async (opened) =>
      storeObjectLayer(this.#transaction, opened, kind, this.#signal),
    );
    const made = commit ?? this.#writeObjectSet(contents);
    this.#transaction.setRef(ref, made);
    return made;
  }

  /** Contents alone are kept by a tree of them, each under its checksum. */
  #writeObjectSet(contents: readonly Checksum[]): Checksum {
    const tree = new MutableTree();
    tree.meta = this.#transaction.writeDirmeta(metadataOf("directory"));
    for (const checksum of contents) tree.setFile(utf8(checksum), checksum);
    const root = tree.write(this.#transaction);
    return writeCommit(this.#transaction, root, { timestamp: 0, parent: null, bindings: false });
  }

  /** Reads a layer, and says of what goes wrong which one it was. */
  async #read<T>(
    layer: PlacedLayer,
    work: (opened: Awaited<ReturnType<Image["openLayer"]>>) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(this.#options.signal);
    return await withContext({ op: "import layer", digest: blobOf(layer) }, async () =>
      work(await this.#image.openLayer(layer.index, this.#signal)),
    );
  }

  #timestampOf(digest: string): number {
    const { layerTimestamp: given } = this.#options;
    const own = typeof given === "object" ? given.get(digest) : given;
    return own ?? Math.floor(Date.now() / 1000);
  }

  get #signal(): { readonly signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal === undefined ? {} : { signal };
  }

  async #derived(nonUsr: boolean, labelledToo: boolean): Promise<DerivedTree[]> {
    const byBlob = new Map<string, DerivedTree>();
    const derived: DerivedTree[] = [];
    for (const layer of this.#layout.derived) {
      const digest = blobOf(layer);
      const known = byBlob.get(digest) ?? (await this.#derivedTree(layer, nonUsr, labelledToo));
      byBlob.set(digest, known);
      derived.push(known);
      if (known.cached === undefined) this.#countImported(layer);
    }
    return derived;
  }

  async #derivedTree(layer: PlacedLayer, nonUsr: boolean, labelledToo: boolean): Promise<DerivedTree> {
    const cached = await this.#cache.findDerived(layer, nonUsr);
    if (cached !== undefined && (labelledToo || !cached.labelled))
      return { layer, tree: this.#treeOf(cached.commit), cached };
    const { tree, dropped } = await this.#read(layer, (opened) =>
      readDerivedLayer(opened, this.#contents, {
        nonUsr,
        mode: this.#repo.mode,
        noXattrs: this.#repo.config.disableXattrs,
        ...this.#signal,
      }),
    );
    for (const [name, count] of dropped) this.#dropped.set(name, (this.#dropped.get(name) ?? 0) + count);
    return { layer, tree, cached: undefined };
  }

  /** The tree of a commit that is stored; its contents need not be stored again. */
  #treeOf(commit: Checksum): Tree {
    const tree = treeOfCommit(this.#objects, commit, this.#options.signal);
    for (const inode of walkInodes(tree)) {
      if (inode.kind === "file" && inode.content.kind === "external")
        this.#known.set(inode.content.key, inode.metadata, inode.content.key);
    }
    return tree;
  }

  #reader(tree: Tree) {
    return treeReader(tree, (file: File) => this.#contents.bytes(file.content, file.size));
  }

  #merge(base: Checksum | undefined, derived: readonly DerivedTree[]): Tree {
    const merge = new LayerMerge(ostreeExtRules, base === undefined ? {} : { base: this.#treeOf(base) });
    for (const { tree } of derived) merge.addTree(tree);
    const { tree } = merge;
    // What container engines put into every root.
    for (const name of ["hostname", "resolv.conf"]) {
      const inode = lookup(tree, `usr/etc/${name}`);
      if (inode?.kind === "file" && inode.size === 0) {
        const etc = lookup(tree, "usr/etc");
        if (etc?.kind === "directory") etc.delete(utf8(name));
      }
    }
    return tree;
  }

  /** Commits a layer of files, labelled as the merged tree is. Returns its tree, if it is new. */
  async #storeDerived(
    { layer, tree, cached }: DerivedTree,
    policy: LabelPolicy | undefined,
    nonUsr: boolean,
  ): Promise<MutableTree[]> {
    const digest = blobOf(layer);
    const ref = layerRef(digest);
    if (cached !== undefined && policy === undefined) {
      if (!cached.own) this.#transaction.setRef(ref, cached.commit);
      return [];
    }
    const own = policy === undefined ? tree : copyTree(tree);
    if (policy !== undefined) labelTree(own, policy, AS_COMMIT);
    const stored = await this.#store(own);
    const root = stored.write(this.#transaction);
    const kept: Commit | undefined =
      cached === undefined ? undefined : this.#objects.readCommit(cached.commit);
    const commit = writeCommit(this.#transaction, root, {
      // A layer that the image has twice is committed twice, each time upon what the ref was.
      parent: this.#committed.get(digest) ?? kept?.parent ?? null,
      bindings: false,
      metadata: kept?.metadata ?? [[KEYS.importer, variant("s", IMPORTER_VERSION)]],
      timestamp: kept?.timestamp ?? this.#timestampOf(digest),
    });
    if (cached === undefined) this.#committed.set(digest, commit);
    const current = this.#repo.refs.read(HEADS, ref);
    if (current !== undefined && current !== commit) {
      this.#transaction.writeDetachedMetadata(
        commit,
        termsMetadata({ nonUsr, labelled: policy !== undefined }),
      );
    }
    if (current !== commit) this.#transaction.setRef(ref, commit);
    return [stored];
  }

  async #storeMerged(merged: Tree, policy: LabelPolicy | undefined): Promise<MutableTree> {
    if (this.#repo.mode === "bare-user" || this.#repo.mode === "bare-user-only")
      asCheckedOut(merged, this.#transaction);
    if (policy !== undefined && this.#repo.mode !== "bare-user-only") labelTree(merged, policy, AS_COMMIT);
    return await this.#store(merged);
  }

  async #store(tree: Tree): Promise<MutableTree> {
    const { clone } = this.#options;
    return await storeTree(this.#transaction, { tree, contents: this.#contents }, this.#tally, {
      known: this.#known,
      ...this.#signal,
      ...(clone === undefined ? {} : { clone }),
    });
  }

  async #writeMerge(root: MutableTree, base: Checksum | undefined): Promise<Checksum> {
    const written = root.write(this.#transaction);
    const digest =
      this.#options.composefsDigest === true
        ? await composefsDigest(this.#transaction, written, this.#signal)
        : undefined;
    const { config, manifest, manifestDigest, timestamp } = this.#documents;
    return writeCommit(this.#transaction, written, {
      ...(digest === undefined ? {} : { finishMetadata: (all: Dict) => withComposefsDigest(all, digest) }),
      parent: base ?? null,
      bindings: false,
      timestamp: timestamp ?? Math.floor(Date.now() / 1000),
      metadata: [
        [KEYS.config, variant("s", config)],
        [KEYS.importer, variant("s", IMPORTER_VERSION)],
        [KEYS.manifest, variant("s", manifest)],
        [KEYS.manifestDigest, variant("s", manifestDigest)],
      ],
    });
  }

  #removeUnwanted(trees: readonly MutableTree[]): void {
    const { staging } = this.#transaction.places;
    if (staging === undefined) return;
    const wanted = new Set<Checksum>();
    const add = (tree: MutableTree): void => {
      for (const checksum of tree.files.values()) wanted.add(checksum);
      for (const dir of tree.dirs.values()) add(dir);
    };
    for (const tree of trees) add(tree);
    this.#contents.removeUnwanted((checksum) => wanted.has(checksum), Dir.borrow(staging, "staging"));
  }
}

/** Objects of the repository and of the transaction. */
function objectsOf({ reader }: Transaction): TreeObjects {
  return {
    readCommit: (checksum) => decodeCommit(reader.readMetadata(checksum, "commit"), `${checksum}.commit`),
    readDirtree: (checksum) => decodeDirtree(reader.readMetadata(checksum, "dirtree"), `${checksum}.dirtree`),
    readDirmeta: (checksum) => decodeDirmeta(reader.readMetadata(checksum, "dirmeta"), `${checksum}.dirmeta`),
    openFile: (checksum) => reader.openFile(checksum),
  };
}
