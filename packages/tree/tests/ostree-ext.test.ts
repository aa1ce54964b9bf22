// What bootc made of layers, recorded, as the judge of `ostreeExtRules` and `OstreeExtFilter`.
import { readFileSync } from "node:fs";

import { type ByteString, isStoreError, textOf, utf8 } from "@bootc-store/core";
import { expect, test } from "vitest";

import {
  device,
  file,
  type InodeKind,
  type LayerEntry,
  lookup,
  lookupOptional,
  mergeLayers,
  metadataOf,
  OstreeExtFilter,
  ostreeExtRules,
  special,
  symlink,
  type Tree,
  walkTree,
} from "../src/index.ts";

type Row = readonly [
  kind: InodeKind | "hardlink",
  path: ByteString,
  permissions: number,
  uid: number,
  gid: number,
  sec: number,
  detail: number | ByteString | readonly [number, number] | null,
];

interface Recording {
  readonly name: string;
  readonly layers: readonly (readonly Row[])[];
  readonly want: readonly string[] | "ERROR";
}

const recordings = JSON.parse(
  readFileSync(new URL("fixtures/ostree-ext.json", import.meta.url), "utf8"),
) as Recording[];

function entryOf([kind, path, permissions, uid, gid, sec, detail]: Row): LayerEntry {
  const init = { permissions, uid, gid, mtime: { sec, nsec: 0 } };
  switch (kind) {
    case "hardlink":
      return { type: "hardlink", path, target: detail as ByteString, metadata: metadataOf("file", init) };
    case "directory":
      return { type: "directory", path, metadata: metadataOf("directory", init) };
    case "file":
      return {
        type: "leaf",
        path,
        leaf: file(metadataOf("file", init), detail as number, { kind: "sparse" }),
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

/** As `ostree ls` shows a tree, without checksums. */
function listingOf(tree: Tree): string[] {
  const lines: string[] = [];
  for (const { path, inode } of walkTree(tree)) {
    const type = inode.kind === "directory" ? "d" : inode.kind === "symlink" ? "l" : "-";
    const { mode, uid, gid } = inode.metadata;
    const size = inode.kind === "file" ? inode.size : 0;
    const target = inode.kind === "symlink" ? ` -> ${textOf(inode.target)}` : "";
    lines.push(`${type}${(mode & 0o7777).toString(8)} ${uid} ${gid} ${size} ${textOf(path)}${target}`);
  }
  return lines.sort();
}

/** ostree-ext takes these away after the merge, where they are empty files. */
function removeInjected(tree: Tree): void {
  for (const name of [utf8("hostname"), utf8("resolv.conf")]) {
    const inode = lookupOptional(tree, `/usr/etc/${name}` as ByteString);
    if (inode?.kind !== "file" || inode.size > 0) continue;
    const directory = lookup(tree, utf8("/usr/etc"));
    if (directory.kind === "directory") directory.delete(name);
  }
}

function merged(layers: Recording["layers"]): string[] | "ERROR" {
  try {
    const filtered = layers.map((layer) => {
      const filter = new OstreeExtFilter({ nonUsr: true });
      return layer.flatMap((row) => filter.apply(entryOf(row)) ?? []);
    });
    const tree = mergeLayers(filtered, ostreeExtRules);
    removeInjected(tree);
    return listingOf(tree);
  } catch (error) {
    if (isStoreError(error) && error.code.startsWith("tree/")) return "ERROR";
    throw error;
  }
}

test.each(recordings)("$name is merged as bootc merged it", ({ layers, want }) => {
  expect(merged(layers)).toEqual(want);
});
