// From the layers of an image to its id, as `cfsctl oci compute-id` gives it: merge, the transforms for images and for boot,
// labels by the image's own policy, and the image of the tree.
import { readFileSync } from "node:fs";

import { byteString, type ByteString, bytesOf, utf8 } from "@bootc-store/core";
import {
  composefsRsRules,
  device,
  file,
  filterXattrs,
  inlineFile,
  type InodeKind,
  keepXattrs,
  LabelPolicy,
  labelTree,
  type LayerEntry,
  lookup,
  lookupOptional,
  mergeLayers,
  metadataOf,
  parsePolicyName,
  removeLabels,
  special,
  symlink,
  type Tree,
  Xattrs,
} from "@bootc-store/tree";
import { describe, expect, test } from "vitest";

import { imageOfTree, writeImage } from "../src/index.ts";
import { fsVerity } from "./helpers.ts";

type Algorithm = "sha256" | "sha512";
type Row = readonly [
  kind: InodeKind | "hardlink",
  path: ByteString,
  permissions: number,
  uid: number,
  gid: number,
  sec: number,
  nsec: number,
  xattrs: readonly (readonly [ByteString, ByteString])[],
  detail: ByteString | readonly [number, string, string] | readonly [number, number] | null,
];
type Id = readonly [
  algorithm: Algorithm,
  version: 0 | 1 | 2,
  bootable: boolean,
  xattrs: "allowlist-only" | "keep-user-xattrs",
  id: string,
];

interface Recording {
  readonly name: string;
  readonly layers: readonly (readonly Row[])[];
  readonly ids: readonly Id[];
}

const recordings = JSON.parse(
  readFileSync(new URL("fixtures/images.json", import.meta.url), "utf8"),
) as Recording[];

/** As composefs-rs: files of up to so many bytes are in the image. */
const MAX_INLINE = 64;

function entryOf(
  [kind, path, permissions, uid, gid, sec, nsec, pairs, detail]: Row,
  algorithm: Algorithm,
): LayerEntry {
  const init = { permissions, uid, gid, mtime: { sec, nsec }, xattrs: Xattrs.from(pairs) };
  switch (kind) {
    case "hardlink":
      return { type: "hardlink", path, target: detail as ByteString, metadata: metadataOf("file", init) };
    case "directory":
      return { type: "directory", path, metadata: metadataOf("directory", init) };
    case "file":
      return {
        type: "leaf",
        path,
        leaf: fileOf(metadataOf("file", init), detail as ByteString | [number, string, string], algorithm),
      };
    case "symlink":
      return { type: "leaf", path, leaf: symlink(metadataOf("symlink", init), detail as ByteString) };
    case "char":
    case "block": {
      const [major, minor] = detail as [number, number];
      return { type: "leaf", path, leaf: device(kind, metadataOf(kind, init), major, minor) };
    }
    default:
      return { type: "leaf", path, leaf: special(kind, metadataOf(kind, init)) };
  }
}

function fileOf(
  metadata: Parameters<typeof file>[0],
  detail: ByteString | readonly [number, string, string],
  algorithm: Algorithm,
) {
  if (typeof detail !== "string") {
    const [size, sha256, sha512] = detail;
    const hex = algorithm === "sha256" ? sha256 : sha512;
    return file(metadata, size, { kind: "external", key: "elsewhere", verity: { algorithm, hex } });
  }
  const bytes = bytesOf(detail);
  if (bytes.length <= MAX_INLINE) return inlineFile(metadata, bytes);
  const verity = { algorithm, hex: fsVerity(bytes, algorithm) };
  return file(metadata, bytes.length, { kind: "external", key: detail, verity });
}

function empty(tree: Tree, path: string): void {
  const directory = lookupOptional(tree, utf8(path));
  if (directory?.kind !== "directory") return;
  directory.clear();
  directory.metadata = { ...directory.metadata, mtime: lookup(tree, utf8("/usr")).metadata.mtime };
}

function textOf(tree: Tree, path: string): ByteString | undefined {
  const inode = lookupOptional(tree, utf8(path));
  if (inode?.kind !== "file") return undefined;
  return inode.content.kind === "inline"
    ? byteString(inode.content.bytes)
    : inode.content.kind === "external"
      ? (inode.content.key as ByteString)
      : undefined;
}

function label(tree: Tree): void {
  const config = textOf(tree, "/etc/selinux/config");
  const name = config === undefined ? undefined : parsePolicyName(config);
  if (name === undefined) {
    removeLabels(tree);
    return;
  }
  const part = (suffix: string) => textOf(tree, `/etc/selinux/${name}/contexts/files/file_contexts${suffix}`);
  const parts = {
    homedirs: part(".homedirs"),
    local: part(".local"),
    subs: part(".subs"),
    subsDist: part(".subs_dist"),
  };
  const there = Object.fromEntries(Object.entries(parts).filter(([, text]) => text !== undefined));
  labelTree(tree, new LabelPolicy({ fileContexts: part("") ?? utf8(""), ...there }, "composefs-rs"));
}

function imageId({ layers }: Recording, [algorithm, version, bootable, xattrs]: Id): string {
  const entries = layers.map((layer) => layer.map((row) => entryOf(row, algorithm)));
  const tree = mergeLayers(entries, composefsRsRules);
  tree.root.metadata = lookup(tree, utf8("/usr")).metadata;
  empty(tree, "/run");
  filterXattrs(tree, keepXattrs(["security.capability"], xattrs === "keep-user-xattrs" ? ["user."] : []));
  if (bootable) {
    empty(tree, "/boot");
    empty(tree, "/sysroot");
    label(tree);
  }
  return fsVerity(writeImage(imageOfTree(tree), { writer: "composefs-rs", version }), algorithm);
}

describe.each(recordings)("the image $name", (recording) => {
  test.each(recording.ids)("has its id (%s, format %i, bootable %s, %s)", (...id) => {
    expect(imageId(recording, id)).toBe(id[4]);
  });
});
