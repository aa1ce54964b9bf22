import type { OperationOptions } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import type { ContentFile, SegmentContent, TarSegment } from "@bootc-store/oci";
import type { ExternalContent } from "@bootc-store/tree";

/** A place to clone from: a name below an open directory. */
export type CloneSource = ContentFile<Dir>;

/** Bytes that can be read, and cloned where they are a file of their own. */
export type Content = SegmentContent<Dir>;

/** A segment whose contents can be cloned. */
export type LayerSegment = TarSegment<Dir>;

/** Opens what the external contents of a tree refer to. Comes with the tree, and knows its keys. */
export interface ContentSource {
  /**
   * The content behind a reference. Its `file`, if there is one, holds exactly these bytes, so that a sink
   * can clone it. Throws the store's own error if it is not there.
   */
  openContent(content: ExternalContent, size: number): Content;
}

/** How content came to be where it is now. */
export interface ContentTally {
  /** Files and bytes that were in the store already. */
  readonly reused: Amount;
  /** By reflink. */
  readonly cloned: Amount;
  /** By hard link. */
  readonly linked: Amount;
  readonly copied: Amount;
}

export interface Amount {
  readonly files: number;
  readonly bytes: number;
}

/** What a sink may do with content that lies in a file of its own. */
export interface AdoptOptions extends OperationOptions {
  /**
   * `require`: by reflink or not at all; `allow`: by reflink, else by hard link if `link` says so, else by
   * copying; `never`: always copy. `allow` unless said otherwise.
   */
  readonly clone?: "require" | "allow" | "never";
  /** Whether a hard link will do; it makes both stores share owner, mode, times and labels. */
  readonly link?: boolean;
}
