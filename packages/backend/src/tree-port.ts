import type { OperationOptions } from "@bootc-store/core";
import type { Tree } from "@bootc-store/tree";

import type { AdoptOptions, ContentSource, ContentTally } from "./content.ts";

/** A tree and where its contents are to be had. */
export interface SourcedTree {
  readonly tree: Tree;
  readonly contents: ContentSource;
}

/** A store out of which trees can be read. */
export interface TreeSource {
  /** The tree of that id or name, in the store's own words: a commit or ref, an image id, a layer id. */
  readTree(id: string, options?: OperationOptions): Promise<SourcedTree>;
}

export interface WrittenTree {
  /** By which the tree can be read again: a commit's checksum, an image's id. */
  readonly id: string;
  /** False if it was there already. */
  readonly created: boolean;
  readonly content: ContentTally;
}

/** A store into which trees can be written. `O` is what only this store wants to know. */
export interface TreeSink<O extends AdoptOptions = AdoptOptions> {
  /** Contents are durable before the tree is, and the tree before it is named. */
  writeTree(source: SourcedTree, options?: O): Promise<WrittenTree>;
}
