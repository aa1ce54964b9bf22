import { existsSync, readFileSync } from "node:fs";
import { findProgram, isRoot } from "../host.ts";
import type { PeerName } from "../peers/names.ts";

/** The file systems the lab can make. All but tmpfs are an image below the scratch root, mounted over a loop device. */
export type FileSystemKind = "tmpfs" | "ext4" | "ext4-verity" | "xfs" | "btrfs" | "small" | "read-only";

/** What a test may need of a file system. */
export type FileSystemTrait = "reflink" | "verity" | "xattr" | "writable" | "tiny" | "loop";

export interface KindFacts {
  /** The kernel's name. */
  type: "tmpfs" | "ext4" | "xfs" | "btrfs";
  traits: readonly FileSystemTrait[];
  /** Bytes of the image (sparse) or of the tmpfs unless given. */
  size: number;
  /** Arguments of mkfs before the image; undefined for tmpfs. */
  mkfs?: readonly [program: PeerName, ...args: string[]];
}

const MiB = 1024 * 1024;

/** `verity` tells of the file system's feature only: whether the kernel has fs-verity is another matter. */
export const kinds: Readonly<Record<FileSystemKind, KindFacts>> = {
  tmpfs: { type: "tmpfs", traits: ["xattr", "writable"], size: 512 * MiB },
  ext4: {
    type: "ext4",
    traits: ["xattr", "writable", "loop"],
    size: 2048 * MiB,
    mkfs: ["mkfs.ext4", "-q", "-F", "-b", "4096"],
  },
  "ext4-verity": {
    type: "ext4",
    traits: ["xattr", "writable", "loop", "verity"],
    size: 2048 * MiB,
    mkfs: ["mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "verity"],
  },
  xfs: {
    type: "xfs",
    traits: ["xattr", "writable", "loop", "reflink"],
    size: 2048 * MiB,
    mkfs: ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"],
  },
  btrfs: {
    type: "btrfs",
    traits: ["xattr", "writable", "loop", "reflink"],
    size: 2048 * MiB,
    mkfs: ["mkfs.btrfs", "-q", "-f"],
  },
  // 6.3 MB of content or 53 files, whichever is full first.
  small: {
    type: "ext4",
    traits: ["xattr", "writable", "loop", "tiny"],
    size: 8 * MiB,
    mkfs: ["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "64"],
  },
  "read-only": {
    type: "ext4",
    traits: ["xattr", "loop"],
    size: 256 * MiB,
    mkfs: ["mkfs.ext4", "-q", "-F", "-b", "4096"],
  },
};

export const fileSystemKinds = Object.keys(kinds) as readonly FileSystemKind[];

export const isFileSystemKind = (name: string): name is FileSystemKind => Object.hasOwn(kinds, name);

/** Why a kind cannot be made here; undefined when it can. `hasPeer` tells whether the peers' tree has a mkfs. */
export function whyNot(kind: FileSystemKind, hasPeer: (name: PeerName) => boolean): string | undefined {
  if (!isRoot()) return `${kind}: mounting needs root`;
  const facts = kinds[kind];
  const known = readFileSync("/proc/filesystems", "utf8").split("\n");
  if (!known.some((line) => line.split("\t").at(-1) === facts.type))
    return `${kind}: the kernel has no ${facts.type}`;
  // Which device an image got, and whether it is read-only, is read there; a bare chroot has it not.
  if (facts.traits.includes("loop") && !existsSync("/sys/block")) return `${kind}: /sys is not mounted`;
  const mkfs = facts.mkfs?.[0];
  if (mkfs !== undefined && findProgram(mkfs) === undefined && !hasPeer(mkfs))
    return `${kind}: there is no ${mkfs}`;
  return undefined;
}
