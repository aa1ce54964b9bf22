import type { Layer } from "@bootc-store/backend";
import { displayName, throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { layerEntries, segmentItems, type TarEntry } from "@bootc-store/oci";
import {
  type LayerEntry,
  LayerMerge,
  OstreeExtFilter,
  ostreeExtRules,
  setMetadata,
  TYPE_BITS,
  type Tree,
  Xattrs,
} from "@bootc-store/tree";

import { applyRules, plainRules } from "../commit/modifier.ts";
import type { FileInfo } from "../format/file-info.ts";
import type { RepoMode } from "../format/mode.ts";
import type { LayerContents } from "./contents.ts";

export interface DerivedLayerOptions {
  /** Whether top-level names besides those that ostree knows are kept. */
  readonly nonUsr: boolean;
  readonly mode: RepoMode;
  /** The repository stores no attributes. */
  readonly noXattrs: boolean;
  readonly signal?: AbortSignal;
}

export interface DerivedLayer {
  /** As it is committed: whiteouts are files in it. */
  readonly tree: Tree;
  /** Entries that were left out, by the name they are reported under. */
  readonly dropped: ReadonlyMap<string, number>;
}

/** A layer of files as ostree-ext commits it. Throws the errors of tars and of trees. */
export async function readDerivedLayer(
  layer: Layer,
  contents: LayerContents,
  options: DerivedLayerOptions,
): Promise<DerivedLayer> {
  const plain = metadataRule(options);
  const filter = new OstreeExtFilter({ nonUsr: options.nonUsr });
  const merge = new LayerMerge({ ...ostreeExtRules, marks: "none" });
  const segments = layer.segments(options.signal === undefined ? {} : { signal: options.signal });
  const entries = layerEntries<Dir>(segmentItems(segments), {
    content: (content, { entry }) => contents.take(content, plain(fileMetadata(entry))),
  });
  try {
    for await (const entry of entries) {
      throwIfAborted(options.signal);
      const kept = filter.apply(entry);
      if (kept !== undefined) merge.add(withMetadata(kept, plain));
    }
    await contents.flush();
  } finally {
    await contents.settle();
  }
  merge.endLayer();
  return {
    tree: merge.tree,
    dropped: new Map(Array.from(filter.dropped, ([name, count]) => [displayName(name), count])),
  };
}

type MetadataRule = <T extends Pick<FileInfo, "mode" | "uid" | "gid" | "xattrs">>(metadata: T) => T;

/** What is kept of owner, mode and attributes. */
function metadataRule({ mode, noXattrs }: DerivedLayerOptions): MetadataRule {
  const only = mode === "bare-user-only";
  const rules = plainRules({ canonicalPermissions: only, noXattrs: only || noXattrs });
  return (metadata) => {
    // An attribute without a value would be hashed and could not be read back from a bare repository.
    const xattrs = metadata.xattrs.filter((_, value) => value.length > 0);
    return { ...metadata, ...applyRules({ ...metadata, xattrs }, rules) };
  };
}

function fileMetadata(entry: TarEntry): FileInfo {
  const { uid, gid } = entry;
  return {
    uid,
    gid,
    mode: TYPE_BITS.file | (entry.mode & 0o7777),
    xattrs: entry.xattrs.size === 0 ? Xattrs.empty : Xattrs.from(entry.xattrs),
  };
}

function withMetadata(entry: LayerEntry, plain: MetadataRule): LayerEntry {
  if (entry.type === "hardlink") return entry;
  if (entry.type === "directory") return { ...entry, metadata: plain(entry.metadata) };
  setMetadata(entry.leaf, plain(entry.leaf.metadata));
  return entry;
}
