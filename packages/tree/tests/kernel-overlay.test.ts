// The kernel's own overlay as the judge of `overlayRules`: random layers are written as diff directories on a
// tmpfs, mounted over one another, and what the mount shows is compared with our merge, file by file.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { bytesOf, byteString, type ByteString, utf8 } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import {
  device,
  Directory,
  type Inode,
  inlineFile,
  type Leaf,
  mergeTrees,
  metadataOf,
  overlayRules,
  special,
  symlink,
  type Tree,
  TreeBuilder,
  walkTree,
  Xattrs,
} from "../src/index.ts";
import { listing } from "./helpers/text-tree.ts";

const SCRIPT = fileURLToPath(new URL("helpers/overlay.py", import.meta.url));

interface KernelCase {
  readonly options: string;
  readonly layers: readonly unknown[];
}

function askKernel(cases: readonly KernelCase[]): Entry[][] {
  const input = cases.map((one) => JSON.stringify(one)).join("\n");
  const run = spawnSync("unshare", ["-m", "python3", SCRIPT], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw new Error(`unshare: ${run.stderr}`);
  return run.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Entry[]);
}

function whyNot(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  const empty = [...describeTree({ root: new Directory(metadataOf("directory")) })];
  try {
    askKernel([{ options: "", layers: [empty, empty] }]);
    return undefined;
  } catch (error) {
    return `cannot mount an overlay here: ${String(error).slice(0, 200)}`;
  }
}

interface Entry {
  readonly path: string;
  readonly kind: Inode["kind"] | "hard";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sec: number;
  readonly nsec: number;
  readonly xattrs: readonly (readonly [ByteString, ByteString])[];
  readonly content?: ByteString;
  readonly target?: ByteString;
  readonly device?: readonly [number, number];
  readonly inode?: string;
}

function* describeTree(tree: Tree): Generator<Entry> {
  const first = new Map<Inode, ByteString>();
  for (const { path, inode } of walkTree(tree)) {
    const { mode, uid, gid, mtime, xattrs } = inode.metadata;
    const common = { path, mode, uid, gid, ...mtime, xattrs: [...xattrs] };
    const known = first.get(inode);
    first.set(inode, known ?? path);
    if (known !== undefined) yield { ...common, kind: "hard", target: known };
    else if (inode.kind === "file" && inode.content.kind === "inline") {
      yield { ...common, kind: "file", content: byteString(inode.content.bytes) };
    } else if (inode.kind === "symlink") yield { ...common, kind: "symlink", target: inode.target };
    else if ("major" in inode) yield { ...common, kind: inode.kind, device: [inode.major, inode.minor] };
    else yield { ...common, kind: inode.kind };
  }
}

/** The tree that the kernel showed. */
function treeOf(entries: readonly Entry[]): Tree {
  const builder = new TreeBuilder();
  const leaves = new Map<string, Leaf>();
  for (const entry of entries) {
    const { uid, gid, sec, nsec } = entry;
    const kind = entry.kind as Inode["kind"];
    const xattrs = Xattrs.from(entry.xattrs);
    const metadata = metadataOf(kind, {
      permissions: entry.mode & 0o7777,
      uid,
      gid,
      mtime: { sec, nsec },
      xattrs,
    });
    const path = entry.path as ByteString;
    if (kind === "directory") {
      builder.addDirectory(path, metadata);
      continue;
    }
    const id = entry.inode ?? "";
    const leaf = leaves.get(id) ?? leafOf(kind, metadata, entry);
    leaves.set(id, leaf);
    builder.addLeaf(path, leaf);
  }
  return builder.finish();
}

function leafOf(kind: Leaf["kind"], metadata: Leaf["metadata"], entry: Entry): Leaf {
  if (kind === "file") return inlineFile(metadata, bytesOf(entry.content ?? utf8("")));
  if (kind === "symlink") return symlink(metadata, entry.target ?? utf8(""));
  if (kind === "char" || kind === "block") return device(kind, metadata, ...(entry.device ?? [0, 0]));
  return special(kind, metadata);
}

/** Deterministic random numbers, so that a failure can be run again by its seed. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const NAMES = [utf8("a"), utf8("b"), utf8("c"), utf8("-"), utf8("é"), "\xff" as ByteString];

function randomLayer(next: (below: number) => number, prefix: string): Tree {
  // The kernel takes `user.` attributes only on regular files and directories.
  const init = (extra: readonly (readonly [string, string])[] = [], user = true) => {
    const pairs = [...extra];
    if (next(4) === 0) pairs.push(["trusted.x", String(next(3))]);
    if (next(12) === 0 && (user || prefix !== "user.overlay.")) pairs.push([`${prefix}origin`, "z"]);
    const xattrs = Xattrs.from(pairs.map(([name, value]) => [utf8(name), utf8(value)] as const));
    return { uid: next(3), gid: next(3), mtime: { sec: 1000 + next(50), nsec: next(3) }, xattrs };
  };
  const leaves: Leaf[] = [];
  const newLeaf = (): Leaf => {
    switch (next(6)) {
      case 0:
        return symlink(metadataOf("symlink", init([], false)), utf8(`to${next(9)}`));
      case 1:
        return device("char", metadataOf("char", init([], false)), 1, next(9));
      case 2:
        return special("fifo", metadataOf("fifo", init([], false)));
      default: {
        const metadata = metadataOf("file", { ...init(), permissions: 0o600 | next(0o200) });
        return inlineFile(metadata, Uint8Array.of(48 + next(10)));
      }
    }
  };
  const leaf = (): Leaf => {
    const known = leaves[next(leaves.length + 3)];
    if (known !== undefined) return known;
    const made = newLeaf();
    leaves.push(made);
    return made;
  };
  const directory = (depth: number): Directory => {
    const kind = next(6);
    const opaque = kind === 0 ? "y" : kind === 1 ? "x" : undefined;
    const marks = opaque === undefined ? [] : [[`${prefix}opaque`, opaque] as const];
    const made = new Directory(metadataOf("directory", init(marks)));
    for (const name of NAMES) {
      const dice = next(10);
      if (dice < 3) continue;
      if (dice < 5) made.set(name, leaf());
      else if (dice < 6) made.set(name, device("char", metadataOf("char", { permissions: 0 }), 0, 0));
      else if (dice < 7 && opaque === "x") {
        const xattrs = Xattrs.from([[utf8(`${prefix}whiteout`), utf8("")]]);
        made.set(name, inlineFile(metadataOf("file", { xattrs }), new Uint8Array(0)));
      } else if (depth < 4) made.set(name, directory(depth + 1));
    }
    return made;
  };
  return { root: directory(0) };
}

const unable = whyNot();

describe.skipIf(unable !== undefined)(`overlayRules and the kernel (${unable ?? "here"})`, () => {
  test.each([
    ["trusted.overlay.", ""],
    ["user.overlay.", "userxattr"],
  ] as const)(
    "merge random layers alike, with %s",
    (prefix, options) => {
      const rules = { ...overlayRules, overlayXattrs: prefix };
      const seeds = Array.from({ length: 150 }, (_, at) => at + 1);
      const made = seeds.map((seed) => {
        const next = random(seed * 7919);
        return Array.from({ length: 2 + next(7) }, () => randomLayer(next, prefix));
      });
      const shown = askKernel(
        made.map((layers) => ({ options, layers: layers.map((layer) => [...describeTree(layer)]) })),
      );
      expect(shown).toHaveLength(seeds.length);
      let entries = 0;
      for (const [at, layers] of made.entries()) {
        const kernel = listing(treeOf(shown[at] ?? []), 0);
        expect(listing(mergeTrees(layers, rules), 0), `seed ${at + 1}`).toEqual(kernel);
        entries += kernel.length;
      }
      expect(entries).toBeGreaterThan(3000);
    },
    120_000,
  );
});
