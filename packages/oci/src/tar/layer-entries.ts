// What a tar means to a tree: each of its entries as an entry of a layer. Whiteouts, duplicates and paths that climb
// are passed on as they are; what becomes of them is for the rules of the merge to say.

import { createHash } from "node:crypto";

import { type ByteString, displayName, withContext } from "@bootc-store/core";
import {
  device,
  EMPTY_CONTENT,
  file,
  type FileContent,
  type InodeKind,
  type LayerEntry,
  type Leaf,
  type Metadata,
  metadataOf,
  special,
  symlink,
  Xattrs,
} from "@bootc-store/tree";

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import type { TarEntry } from "./entry.ts";
import { TAR_LIMITS, type TarLimits } from "./limits.ts";
import type { TarItem } from "./reader.ts";
import type { SegmentContent } from "./segments.ts";
import { fileContent } from "./sparse-content.ts";

/** Where in its tar a file is. */
export interface FilePlace {
  readonly entry: TarEntry;
  /** Bytes of the uncompressed tar before the content. */
  readonly offset: number;
}

export interface LayerEntriesOptions<D = unknown> {
  /**
   * What a file's content is in the tree; called before the next entry is read. By default bytes of files of up to
   * `inline` bytes, else a reference by {@link tarContentKey} with its SHA-256.
   */
  readonly content?: (content: SegmentContent<D>, place: FilePlace) => FileContent | Promise<FileContent>;
  /** Files up to this many bytes are kept in memory by the default `content`; 0 unless given. */
  readonly inline?: number;
  /** Names the layer in the keys of the default `content`; empty unless given. */
  readonly layer?: string;
  /** Sparse files: read with their holes, or refused, as composefs-rs does. */
  readonly sparse?: "expand" | "refuse";
  /** Device nodes, but for whiteouts 0/0: part of the tree, or refused with `oci/tar-device`. */
  readonly devices?: "keep" | "refuse";
  /** A second entry of a name: passed on, or refused with `oci/tar-duplicate`, as tar-split does. */
  readonly duplicates?: "keep" | "refuse";
  /** A link or directory that says it has content: it has none, as Go reads it, or refused, as composefs-rs does. */
  readonly sizeWithoutContent?: "ignore" | "refuse";
  readonly limits?: TarLimits;
}

/** The key of a content by its place: `LAYER@OFFSET`. */
export function tarContentKey(layer: string, offset: number): string {
  return `${layer}@${offset}`;
}

/** The entries of a layer, in the order of its tar. Throws `oci/tar-*` and what `tree` has against their values. */
export async function* layerEntries<D = unknown>(
  items: AsyncIterable<TarItem<D>>,
  options: LayerEntriesOptions<D> = {},
): AsyncGenerator<LayerEntry> {
  const seen = options.duplicates === "refuse" ? new Set<string>() : undefined;
  const content = options.content ?? defaultContent<D>(options.layer ?? "", options.inline ?? 0);
  let offset = 0;
  for await (const item of items) {
    if (item.kind === "inline") {
      offset += item.bytes.length;
      continue;
    }
    const { entry, header } = item;
    offset += header.length;
    const place = { entry, offset };
    offset += item.content?.size ?? 0;
    // A global header says something of all that follow; every reader of layers passes it over.
    if (entry.type === "global") continue;
    if (seen !== undefined) refuseDuplicate(seen, entry);
    yield await withContext({ op: "read tar entry", path: shownName(entry) }, () =>
      layerEntry(place, item.content, content, options),
    );
  }
}

async function layerEntry<D>(
  place: FilePlace,
  stored: SegmentContent<D> | undefined,
  content: NonNullable<LayerEntriesOptions<D>["content"]>,
  options: LayerEntriesOptions<D>,
): Promise<LayerEntry> {
  const { entry } = place;
  const path = entry.name;
  if (options.sizeWithoutContent === "refuse" && entry.headerSize > 0 && entry.storedSize === 0) {
    throw ociErrors.error("tar-entry-unsupported", `a ${entry.type} that says it has content`);
  }
  switch (entry.type) {
    case "directory":
      return { type: "directory", path, metadata: metadata("directory", entry) };
    case "hardlink":
      return { type: "hardlink", path, target: entry.linkName, metadata: metadata("file", entry) };
    case "file":
    case "sparse": {
      if (entry.sparse !== undefined && options.sparse === "refuse") {
        throw ociErrors.error("tar-entry-unsupported", "a sparse file");
      }
      const about = metadata("file", entry);
      const whole = fileContent(entry, stored, options.limits ?? TAR_LIMITS);
      const found = whole === undefined || whole.size === 0 ? EMPTY_CONTENT : await content(whole, place);
      return { type: "leaf", path, leaf: file(about, entry.size, found) };
    }
    default:
      return { type: "leaf", path, leaf: plainLeaf(entry, options.devices ?? "keep") };
  }
}

function plainLeaf(entry: TarEntry, devices: "keep" | "refuse"): Leaf {
  switch (entry.type) {
    case "symlink":
      return symlink(metadata("symlink", entry), entry.linkName);
    case "char":
    case "block": {
      const whiteout = entry.type === "char" && entry.devMajor === 0 && entry.devMinor === 0;
      if (devices === "refuse" && !whiteout) {
        throw ociErrors.error("tar-device", `a ${entry.type} device ${entry.devMajor}:${entry.devMinor}`);
      }
      return device(entry.type, metadata(entry.type, entry), entry.devMajor, entry.devMinor);
    }
    case "fifo":
      return special("fifo", metadata("fifo", entry));
    default: {
      const flag = `0x${entry.typeflag.toString(16).padStart(2, "0")}`;
      throw ociErrors.error("tar-entry-unsupported", `an entry of type ${flag}`);
    }
  }
}

function metadata(kind: InodeKind, entry: TarEntry): Metadata {
  const { uid, gid, mtime } = entry;
  const xattrs = entry.xattrs.size === 0 ? Xattrs.empty : Xattrs.from(entry.xattrs);
  return metadataOf(kind, { permissions: entry.mode, uid, gid, mtime, xattrs });
}

function defaultContent<D>(
  layer: string,
  inline: number,
): (content: SegmentContent<D>, place: FilePlace) => Promise<FileContent> {
  return async (content, { offset }) => {
    if (content.size <= inline) {
      return { kind: "inline", bytes: await collect(content.read(), inline, "file") };
    }
    const hash = createHash("sha256");
    for await (const chunk of content.read()) hash.update(chunk);
    return { kind: "external", key: tarContentKey(layer, offset), sha256: hash.digest("hex") };
  };
}

function refuseDuplicate(seen: Set<string>, entry: TarEntry): void {
  const name = entry.name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
  if (seen.has(name)) {
    throw ociErrors.error("tar-duplicate", `"${shownName(entry)}" is there twice`);
  }
  seen.add(name);
}

function shownName(entry: TarEntry): string {
  return displayName(
    entry.name.length <= 400 ? entry.name : (`${entry.name.slice(0, 400)}...` as ByteString),
  );
}
