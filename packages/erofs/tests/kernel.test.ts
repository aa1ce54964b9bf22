// The kernel as the judge: images of random trees are mounted and every inode compared.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { byteString } from "@bootc-store/core";
import {
  countLinks,
  type Inode,
  type Leaf,
  setMetadata,
  type Tree,
  walkInodes,
  walkTree,
} from "@bootc-store/tree";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";

import { type ImageFormat, imageOfTree, writeImage } from "../src/index.ts";
import { trees } from "./arbitrary.ts";

const SCRIPT = fileURLToPath(new URL("kernel.py", import.meta.url));
const SEED = Date.now() % 0x7fff_ffff;
const place = mkdtempSync(join(tmpdir(), "erofs-kernel-"));
afterAll(() => rmSync(place, { recursive: true }));

function whyNot(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  if (!readFileSync("/proc/filesystems", "utf8").includes("\terofs\n")) return "needs a kernel with EROFS";
  const [tree] = sample({ algorithm: "sha256", maxInline: 64, maxTarget: 9, whiteouts: false }, 1, 1);
  if (tree === undefined) return "no tree";
  const image = join(place, "probe.img");
  writeFileSync(image, writeImage(imageOfTree(tree), { writer: "composefs-rs", version: 1 }));
  const run = ask([image]);
  return run.status === 0 ? undefined : `cannot mount an image here: ${run.stderr.trim().split("\n").at(-1)}`;
}

function ask(images: readonly string[]) {
  const input = images.join("\n");
  return spawnSync("unshare", ["-m", "python3", SCRIPT], { input, encoding: "utf8", maxBuffer: 1 << 28 });
}

/** What the kernel is to show, in the order in which the script walks. */
function wanted(tree: Tree, version: 0 | 1 | 2): unknown[] {
  const links = countLinks(tree);
  return [...walkTree(tree)].map(({ path, inode }) => {
    const { mode, uid, gid, mtime, xattrs } = inode.metadata;
    const nanoseconds = BigInt(mtime.sec) * 1_000_000_000n + BigInt(version === 2 ? 0 : mtime.nsec);
    const kept = [...xattrs].filter(([key]) => isShown(key, inode));
    const device = "major" in inode ? [inode.major, inode.minor] : [0, 0];
    const target = inode.kind === "symlink" ? inode.target : null;
    return [
      path,
      mode,
      uid,
      gid,
      String(nanoseconds),
      sizeOf(inode),
      linksOf(inode, links),
      device,
      kept,
      target,
      ...contentOf(inode),
    ];
  });
}

/** The kernel looks into capabilities itself, and has no `user.` attributes of links and devices. */
function isShown(key: string, inode: Inode): boolean {
  if (key.startsWith("user.")) return inode.kind === "file" || inode.kind === "directory";
  if (key === "security.capability" || key.startsWith("trusted.overlay.")) return false;
  return key.startsWith("trusted.") || key.startsWith("security.");
}

function sizeOf(inode: Inode): number {
  return inode.kind === "file" ? inode.size : inode.kind === "symlink" ? inode.target.length : 0;
}

function linksOf(inode: Inode, links: ReadonlyMap<Leaf, number>): number | undefined {
  if (inode.kind !== "directory") return links.get(inode);
  return 2 + [...inode].filter(([, child]) => child.kind === "directory").length;
}

/** Of what is in the image; the rest overlay takes from elsewhere. */
function contentOf(inode: Inode): string[] {
  return inode.kind === "file" && inode.content.kind === "inline" ? [byteString(inode.content.bytes)] : [];
}

/** Random trees whose owners the kernel can map; over others not even root has rights. */
function sample(knobs: Parameters<typeof trees>[0], numRuns: number, seed: number): Tree[] {
  const samples = fc.sample(trees(knobs), { numRuns, seed });
  for (const tree of samples) {
    for (const inode of walkInodes(tree)) {
      const { metadata } = inode;
      // Access control lists of random bytes are invalid, and the kernel asks them.
      const xattrs = metadata.xattrs.filter((name) => !name.startsWith("system.posix_acl_"));
      setMetadata(inode, { ...metadata, xattrs, uid: Math.min(metadata.uid, 0xffff_fffe) });
    }
  }
  return samples;
}

const unable = whyNot();

describe.skipIf(unable !== undefined)(`the kernel, seed ${SEED} (${unable ?? "here"})`, () => {
  test.each<[string, 0 | 1 | 2, ImageFormat]>([
    ["0 of C", 0, { writer: "c", minVersion: 0, maxVersion: 0 }],
    ["1", 1, { writer: "composefs-rs", version: 1 }],
    ["2", 2, { writer: "composefs-rs", version: 2 }],
  ])(
    "shows images of format %s as the tree is",
    (name, version, format) => {
      const short = version === 2;
      const knobs = {
        algorithm: "sha256",
        maxInline: short ? 512 : 5000,
        maxTarget: short ? 1024 : 4095,
        whiteouts: false,
      } as const;
      const samples = sample(knobs, 40, SEED);
      const images = samples.map((tree, at) => {
        const image = join(place, `${at}-${name.replaceAll(" ", "-")}.img`);
        writeFileSync(image, writeImage(imageOfTree(tree), format));
        return image;
      });
      const run = ask(images);
      expect(run.stderr).toBe("");
      const shown = run.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown[]);
      expect(shown).toHaveLength(samples.length);
      for (const [at, tree] of samples.entries()) {
        expect(shown[at], `tree ${at}`).toEqual(JSON.parse(JSON.stringify(wanted(tree, version))));
      }
    },
    300_000,
  );
});
