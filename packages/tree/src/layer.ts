import type { ByteString } from "@bootc-store/core";

import type { Leaf } from "./leaf.ts";
import type { Metadata } from "./metadata.ts";

// A layer is what a tar of an image layer gives: entries in their order, which matters (a name may come twice,
// a hard link names what came before it). Whiteouts are ordinary entries with special names; what they
// mean is for the merge and its rules to say.

export type LayerEntry = LayerDirectory | LayerLeaf | LayerHardlink;

interface LayerPlace {
  /** As the layer has it: a leading `/` or `./`, a trailing `/` and repeated slashes are all allowed. */
  readonly path: ByteString;
}

export interface LayerDirectory extends LayerPlace {
  readonly type: "directory";
  readonly metadata: Metadata;
}

/** A leaf under its first name. Whoever makes the entry makes the leaf anew, for it becomes part of a tree. */
export interface LayerLeaf extends LayerPlace {
  readonly type: "leaf";
  readonly leaf: Leaf;
}

/** One more name of a leaf. */
export interface LayerHardlink extends LayerPlace {
  readonly type: "hardlink";
  /** Path of the leaf, in the same forms as `path`; from the root, not from the link. */
  readonly target: ByteString;
  /** The link entry's own, with the type of a regular file. The leaf keeps its own; the owner and time matter to some rules. */
  readonly metadata: Metadata;
}
