import type { AdoptOptions } from "@bootc-store/backend";

import type { Checksum } from "../format/checksum.ts";
import type { Dict } from "../gvariant/index.ts";

/** What a commit says besides its tree. */
export interface CommitDescription {
  /** The ref to set, which also gives the parent unless that is said. None: the commit belongs to no ref. */
  readonly branch?: string;
  /** A commit; `null` for none. */
  readonly parent?: Checksum | null;
  readonly subject?: string;
  readonly body?: string;
  /** Seconds since 1970. */
  readonly timestamp: bigint | number;
  /** In this order; bindings follow. */
  readonly metadata?: Dict;
  /** Refs that the commit says it belongs to, besides its branch. */
  readonly bindRefs?: readonly string[];
  /** False leaves out `ostree.ref-binding` and `ostree.collection-binding`. */
  readonly bindings?: boolean;
  /** Changes metadata and bindings together, in the end. */
  readonly finishMetadata?: (metadata: Dict) => Dict;
  /** After all others. */
  readonly trailingMetadata?: Dict;
  readonly detachedMetadata?: Dict;
}

/** What {@link Repo.writeTree} takes. */
export interface WriteTreeOptions extends AdoptOptions, CommitDescription {
  /** False syncs nothing. Default: the config's. */
  readonly fsync?: boolean;
}
