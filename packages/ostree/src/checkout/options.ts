import type { ByteString } from "@bootc-store/core";

import type { LabelRule } from "../selinux/policy.ts";
import type { DevinoCache } from "../commit/devino.ts";

/** What a checkout does about names that are taken. Directories that are there always keep their metadata. */
export type Overwrite =
  /** Nothing may be there, not even the destination. */
  | "refuse"
  /** Files are replaced. */
  | "union"
  /** Files are kept. */
  | "add"
  /** Files are kept if they are the same, else it is an error. */
  | "identical";

export interface CheckoutOptions {
  /** Leaves owners, attributes and set-id bits out. Always so for bare-user-only. */
  readonly userMode?: boolean;
  readonly overwrite?: Overwrite;
  /** Links nothing. */
  readonly forceCopy?: boolean;
  /**
   * Of an archive in user mode: links files to its `uncompressed-objects-cache`, filled on the way. No effect where the
   * configuration forbids it, or where objects can be linked themselves.
   */
  readonly cache?: boolean;
  /** An error where a link cannot be made. */
  readonly requireHardlinks?: boolean;
  /** `.wh.NAME` removes NAME, `.wh..wh..opq` empties its directory first. */
  readonly whiteouts?: boolean;
  /** `.ostree-wh.NAME` becomes a character device 0:0. */
  readonly passthroughWhiteouts?: boolean;
  /** Masks the modes of directories by 0775. */
  readonly bareUserOnlyDirs?: boolean;
  /** Paths, beginning with a slash, that are left out with all that is below. */
  readonly skip?: ReadonlySet<ByteString>;
  /**
   * Labels what has none of its own, but in user mode. `prefix` is the path that the destination has for the policy. Links
   * nothing, since an object can have only one label.
   */
  readonly label?: { readonly rule: LabelRule; readonly prefix: ByteString };
  /** Gets the inodes of files that were linked. */
  readonly devino?: DevinoCache;
  /** Syncs the file system at the end. Default: the repository's setting. */
  readonly fsync?: boolean;
  readonly signal?: AbortSignal;
}
