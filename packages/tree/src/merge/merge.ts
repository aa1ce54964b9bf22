import { Directory } from "../directory.ts";
import { treeErrors } from "../errors.ts";
import type { LayerEntry } from "../layer.ts";
import { DEFAULT_LIMITS, type TreeLimits } from "../limits.ts";
import { type Metadata, metadataOf } from "../metadata.ts";
import type { Tree } from "../tree.ts";
import { EntryApplier } from "./apply.ts";
import { layOver } from "./lay-over.ts";
import type { MergeRules } from "./rules.ts";

export interface MergeOptions {
  readonly limits?: Partial<TreeLimits>;
  /** What the layers are laid on. It is changed. By default nothing. */
  readonly base?: Tree;
  /** Metadata of parents that no entry gives, where the rules do not say another; by default 0755, root, 1970. */
  readonly parentMetadata?: Metadata;
  /** Metadata of the root until a layer sets it; by default the same. */
  readonly rootMetadata?: Metadata;
}

/**
 * Merges the layers of an image, lowest first, into one tree: the entries of each by {@link LayerMerge.add}, then
 * {@link LayerMerge.endLayer}, or a layer's finished tree by {@link LayerMerge.addTree}.
 */
export class LayerMerge {
  readonly #rules: MergeRules;
  readonly #limits: TreeLimits;
  readonly #parentMetadata: Metadata;
  readonly #root: Directory;
  #fresh: boolean;
  #names = 0;
  #layerNames = 0;
  #layer: { readonly root: Directory; readonly applier: EntryApplier } | undefined;

  constructor(rules: MergeRules, options: MergeOptions = {}) {
    this.#rules = rules;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#parentMetadata = options.parentMetadata ?? metadataOf("directory");
    this.#fresh = options.base === undefined;
    this.#root = options.base?.root ?? new Directory(options.rootMetadata ?? metadataOf("directory"));
  }

  /** The next entry of the layer, which begins with its first one. After an error the merge is of no use. */
  add(entry: LayerEntry): void {
    this.#layer ??= this.#beginLayer();
    this.#layer.applier.apply(entry);
  }

  /** Ends the layer. A layer without entries still is one, for rules by which an empty layer has a root. */
  endLayer(): void {
    const { root, applier } = this.#layer ?? this.#beginLayer();
    this.#layer = undefined;
    applier.finish();
    if (this.#rules.entries === "staged") this.#layOver(root);
    this.#fresh = false;
  }

  /** Lays a layer's own tree over what is there. Its leaves become part of the merged tree. */
  addTree(tree: Tree): void {
    if (this.#layer !== undefined) {
      throw treeErrors.error("merge-order", "a layer's tree cannot be added in the middle of another layer");
    }
    this.#layOver(tree.root);
    this.#fresh = false;
  }

  /** The merged tree, as far as the layers have ended. */
  get tree(): Tree {
    return { root: this.#root };
  }

  #layOver(root: Directory): void {
    layOver(this.#root, root, this.#rules, this.#fresh, this.#count);
  }

  #beginLayer(): { readonly root: Directory; readonly applier: EntryApplier } {
    // Where a layer's own root entry counts for nothing, its root must not count for something.
    const staged = this.#rules.entries === "staged";
    const inherit = this.#rules.rootEntry === "ignore";
    const metadata = inherit ? this.#root.metadata : metadataOf("directory");
    const root = staged ? new Directory(metadata) : this.#root;
    const applier = new EntryApplier(
      root,
      this.#rules,
      this.#limits,
      this.#parentMetadata,
      this.#countInLayer,
    );
    this.#layerNames = 0;
    return { root, applier };
  }

  readonly #countInLayer = (): void => {
    if (this.#rules.entries === "direct") this.#count();
    else this.#checkCount(++this.#layerNames);
  };

  readonly #count = (): void => {
    this.#checkCount(++this.#names);
  };

  #checkCount(names: number): void {
    if (names > this.#limits.entries) {
      throw treeErrors.error("limit-exceeded", `the layers have more than ${this.#limits.entries} entries`);
    }
  }
}

/** The tree of layers given as entries, lowest first. */
export function mergeLayers(
  layers: Iterable<Iterable<LayerEntry>>,
  rules: MergeRules,
  options: MergeOptions = {},
): Tree {
  const merge = new LayerMerge(rules, options);
  for (const layer of layers) {
    for (const entry of layer) merge.add(entry);
    merge.endLayer();
  }
  return merge.tree;
}

/** The tree of layers that are trees of their own, such as overlay's diff directories, lowest first. */
export function mergeTrees(layers: Iterable<Tree>, rules: MergeRules, options: MergeOptions = {}): Tree {
  const merge = new LayerMerge(rules, options);
  for (const layer of layers) merge.addTree(layer);
  return merge.tree;
}
