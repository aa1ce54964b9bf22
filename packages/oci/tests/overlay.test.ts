// Random layers as tars, merged by the overlay rules, and the kernel's overlay over the same layers unpacked: equal,
// file by file, with all metadata.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { type ByteString, bytesOf, byteString, utf8 } from "@bootc-store/core";
import { type Inode, LayerMerge, overlayRules, type Tree, walkTree } from "@bootc-store/tree";
import { expect, test } from "vitest";

import { layerEntries, readTar, type TarEntryInit, type TarEntryToWrite, writeTar } from "../src/index.ts";

/** Mounts diff directories and prints what the kernel shows; see there. */
const SCRIPT = fileURLToPath(new URL("../../tree/tests/helpers/overlay.py", import.meta.url));
const CASES = process.env["BOOTC_STORE_LONG"] === "1" ? 1000 : 100;

interface Entry {
  readonly path: string;
  readonly kind: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sec: number;
  readonly nsec: number;
  readonly xattrs: readonly (readonly [string, string])[];
  readonly content?: string;
  readonly target?: string;
  readonly device?: readonly [number, number];
  readonly inode?: string;
}

function askKernel(cases: readonly (readonly (readonly Entry[])[])[]): Entry[][] {
  const input = cases.map((layers) => JSON.stringify({ options: "", layers })).join("\n");
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
  const root = { path: "/", kind: "directory", mode: 0o40755, uid: 0, gid: 0, sec: 0, nsec: 0, xattrs: [] };
  try {
    askKernel([[[root], [root]]]);
    return undefined;
  } catch (error) {
    return `cannot mount an overlay here: ${String(error).slice(0, 200)}`;
  }
}

function random(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const NAMES = ["a", "b", "c", "é"].map(utf8);
const MODES: Record<string, number> = {
  directory: 0o40000,
  file: 0o100000,
  symlink: 0o120000,
  char: 0o20000,
  fifo: 0o10000,
};

interface RandomLayer {
  readonly tar: TarEntryToWrite[];
  /** The same as containers-storage unpacks it: whiteouts as devices 0:0, opaque directories by attribute. */
  readonly diff: Entry[];
}

function randomLayer(next: (below: number) => number): RandomLayer {
  const tar: TarEntryToWrite[] = [];
  const diff: Entry[] = [
    { path: "/", kind: "directory", mode: 0o40755, uid: 0, gid: 0, sec: 0, nsec: 0, xattrs: [] },
  ];
  const files: string[] = [];
  const common = (): { uid: number; gid: number; mtime: { sec: number; nsec: number } } => ({
    uid: next(3),
    gid: next(70_000),
    mtime: { sec: next(2) * 1_700_000_000 - next(9), nsec: next(2) * 123_456_789 },
  });
  const add = (
    path: string,
    kind: TarEntryInit["type"],
    more: Partial<TarEntryInit>,
    content?: string,
  ): void => {
    const about = { ...common(), mode: kind === "symlink" ? 0o777 : 0o600 | next(0o200), ...more };
    // The kernel takes `user.` attributes only on files and directories.
    const named = kind === "file" || kind === "directory" ? "user.x" : "trusted.x";
    const xattrs: [ByteString, ByteString][] =
      next(4) === 0 ? [[utf8(named), byteString(Uint8Array.of(0, next(256)))]] : [];
    const bytes = content === undefined ? undefined : Buffer.from(content);
    tar.push({
      entry: {
        type: kind,
        name: `.${path}` as ByteString,
        xattrs,
        ...about,
        ...(bytes === undefined ? {} : { size: bytes.length }),
      },
      ...(bytes === undefined ? {} : { content: bytes }),
    });
    diff.push({
      path,
      kind,
      mode: (MODES[kind] ?? 0) | about.mode,
      uid: about.uid,
      gid: about.gid,
      ...about.mtime,
      xattrs,
      ...(content === undefined ? {} : { content }),
      ...(kind === "symlink" ? { target: more.linkName as string } : {}),
      ...(kind === "char" ? { device: [more.devMajor ?? 0, more.devMinor ?? 0] as const } : {}),
    });
  };
  const whiteout = (parent: string, name: string): void => {
    tar.push({ entry: { type: "file", name: `.${parent}/.wh.${name}` as ByteString } });
    diff.push({
      path: `${parent}/${name}`,
      kind: "char",
      mode: 0o20000,
      uid: 0,
      gid: 0,
      sec: 0,
      nsec: 0,
      xattrs: [],
      device: [0, 0],
    });
  };
  const directory = (path: string, depth: number): void => {
    for (const name of NAMES) {
      const full = `${path}/${name}`;
      switch (next(11)) {
        case 0:
        case 1:
        case 2:
          add(full, "file", {}, `content ${next(1000)}`);
          files.push(full);
          break;
        case 3:
          add(full, "symlink", { linkName: utf8(`to${next(9)}`) });
          break;
        case 4:
          add(full, next(2) === 0 ? "fifo" : "char", { devMajor: 1, devMinor: 3 });
          break;
        case 5:
          whiteout(path, name);
          break;
        case 6: {
          const known = files[next(files.length + 1)];
          if (known === undefined) break;
          tar.push({
            entry: { type: "hardlink", name: `.${full}` as ByteString, linkName: `.${known}` as ByteString },
          });
          diff.push({
            path: full,
            kind: "hard",
            target: known,
            mode: 0,
            uid: 0,
            gid: 0,
            sec: 0,
            nsec: 0,
            xattrs: [],
          });
          break;
        }
        case 7:
        case 8:
        case 9: {
          if (depth >= 3) break;
          add(full, "directory", {});
          if (next(4) === 0) {
            tar.push({ entry: { type: "file", name: `.${full}/.wh..wh..opq` as ByteString } });
            const made = diff.at(-1) as Entry;
            diff[diff.length - 1] = { ...made, xattrs: [...made.xattrs, ["trusted.overlay.opaque", "y"]] };
          }
          directory(full, depth + 1);
          break;
        }
        default:
      }
    }
  };
  directory("", 0);
  return { tar, diff };
}

/** One line a name, hard links by the first name. */
function lines(entries: Iterable<Entry>): string[] {
  const first = new Map<string, string>();
  const found: string[] = [];
  for (const { path, kind, mode, uid, gid, sec, nsec, xattrs, content, target, device, inode } of entries) {
    // The root's own metadata is that of the layer's directory, which no tar gives.
    if (path === "/") continue;
    const known = kind === "directory" || inode === undefined ? path : (first.get(inode) ?? path);
    if (inode !== undefined && known === path) first.set(inode, path);
    found.push(
      JSON.stringify([path, kind, mode, uid, gid, sec, nsec, xattrs, content, target, device, known]),
    );
  }
  return found.sort();
}

function* entriesOf(tree: Tree): Generator<Entry> {
  const ids = new Map<Inode, string>();
  for (const { path, inode } of walkTree(tree)) {
    if (!ids.has(inode)) ids.set(inode, String(ids.size));
    const { mode, uid, gid, mtime, xattrs } = inode.metadata;
    yield {
      path,
      kind: inode.kind,
      mode,
      uid,
      gid,
      ...mtime,
      xattrs: [...xattrs],
      inode: ids.get(inode) as string,
      ...(inode.kind === "file" && inode.content.kind === "inline"
        ? { content: byteString(inode.content.bytes) }
        : {}),
      ...(inode.kind === "symlink" ? { target: inode.target } : {}),
      ...("major" in inode ? { device: [inode.major, inode.minor] as const } : {}),
    };
  }
}

async function merged(layers: readonly RandomLayer[]): Promise<Tree> {
  const merge = new LayerMerge(overlayRules);
  for (const layer of layers) {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield* writeTar(layer.tar);
    }
    for await (const entry of layerEntries(readTar(chunks()), { inline: 1 << 20 })) merge.add(entry);
    merge.endLayer();
  }
  return merge.tree;
}

const unable = whyNot();

test.skipIf(unable !== undefined)(
  `${CASES} merges of tars are what the kernel's overlay shows ${unable ?? ""}`,
  async () => {
    const cases = Array.from({ length: CASES }, (_, at) => {
      const next = random(at + 1);
      return Array.from({ length: 2 + next(7) }, () => randomLayer(next));
    });
    const shown = askKernel(cases.map((layers) => layers.map(({ diff }) => diff)));
    let names = 0;
    for (const [at, layers] of cases.entries()) {
      const kernel = lines(shown[at] ?? []);
      expect(lines(entriesOf(await merged(layers))), `case ${at}`).toEqual(kernel);
      names += kernel.length;
    }
    expect(names).toBeGreaterThan(CASES * 10);
    console.log(`overlay: ${CASES} cases, ${cases.flat().length} layers, ${names} names equal`);
  },
  600_000,
);

test("bytes of a tar are bytes of the tree", async () => {
  const entry = { type: "file", name: byteString(Uint8Array.of(0xff, 0x61)), size: 1 } as const;
  const tree = await merged([{ tar: [{ entry, content: bytesOf(utf8("x")) }], diff: [] }]);
  expect([...walkTree(tree)].map(({ path }) => path)).toEqual(["/", "/\xffa"]);
});
