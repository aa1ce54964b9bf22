import { existsSync, mkdirSync, openSync, closeSync, ftruncateSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../errors.ts";
import { type Command, run, succeed } from "../exec.ts";
import { findProgram, requireRoot } from "../host.ts";
import { mounts, unmountBelow } from "../mounts.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerName } from "../peers/names.ts";
import { type FileSystemKind, type FileSystemTrait, kinds } from "./kinds.ts";

export interface FileSystemOptions {
  /** Bytes of the image or tmpfs; see `kinds` for the defaults. XFS wants at least 300 MiB, btrfs 110 MiB. */
  size?: number;
  /** Most inodes: tmpfs and the ext4 kinds only. */
  inodes?: number;
  /** Fills it before it becomes read-only; for other kinds, before it is handed out. */
  populate?: (path: string) => Promise<void> | void;
  /** Further arguments of mkfs, before the image. */
  mkfs?: readonly string[];
  /** Further mount options. */
  mountOptions?: readonly string[];
}

/** A file system of its own, gone when disposed, at exit, or, after a kill, when the next session opens. */
export interface FileSystem extends AsyncDisposable {
  /** Its root; the same for peers. */
  readonly path: string;
  readonly kind: FileSystemKind;
  /** The kernel's name of it. */
  readonly type: string;
  readonly traits: readonly FileSystemTrait[];
  /** The image file; undefined for tmpfs. */
  readonly image: string | undefined;
  /** The block device, such as /dev/loop3; undefined for tmpfs and while unmounted. */
  readonly device: string | undefined;
  has(trait: FileSystemTrait): boolean;
  /** Makes it read-only (EROFS from now on) or writable again, as `mount -o remount`. */
  remount(mode: "ro" | "rw"): Promise<void>;
  /**
   * Unmounts and mounts it again: nothing is left in the page cache, an interrupted journal is replayed. Fails while
   * somebody holds a file of it.
   */
  cycle(): Promise<void>;
  unmount(): Promise<void>;
  mount(mode?: "ro" | "rw"): Promise<void>;
}

interface Home {
  /** An empty directory below the session's. */
  directory: string;
  peer(name: PeerName): Peer;
}

export async function makeFileSystem(
  kind: FileSystemKind,
  home: Home,
  options: FileSystemOptions = {},
): Promise<FileSystem> {
  requireRoot(`making a file system (${kind})`);
  const facts = kinds[kind];
  const size = options.size ?? facts.size;
  const path = join(home.directory, "m");
  const image = facts.mkfs === undefined ? undefined : join(home.directory, "img");
  mkdirSync(path);
  if (image !== undefined) await format(image);

  const made: FileSystem = {
    path,
    kind,
    type: facts.type,
    traits: facts.traits,
    image,
    get device() {
      return image === undefined ? undefined : mounts().find((mount) => mount.path === path)?.source;
    },
    has: (trait) => facts.traits.includes(trait),
    async remount(mode) {
      await succeed(["mount", "-o", `remount,${mode}`, path]);
    },
    async cycle() {
      // Not detached: while somebody holds a file, the old file system would live on and be mounted again.
      await succeed(["umount", path]);
      await made.mount();
    },
    async unmount() {
      await unmountBelow(path);
    },
    async mount(mode = kind === "read-only" ? "ro" : "rw") {
      await mountAt(mode);
    },
    async [Symbol.asyncDispose]() {
      await unmountBelow(home.directory);
      await rm(home.directory, { recursive: true, force: true });
    },
  };
  try {
    await mountAt("rw");
    await options.populate?.(path);
    if (kind === "read-only") {
      await made.unmount();
      // mount(8) takes the loop device read-only as well, so the block device says so too.
      await mountAt("ro");
    }
  } catch (error) {
    await made[Symbol.asyncDispose]();
    throw error;
  }
  return made;

  async function format(file: string): Promise<void> {
    const [program, ...args] = facts.mkfs ?? ["mkfs.ext4"];
    const fd = openSync(file, "wx", 0o600);
    try {
      ftruncateSync(fd, size);
    } finally {
      closeSync(fd);
    }
    if (options.inodes !== undefined) {
      if (facts.type !== "ext4")
        throw new LabError("lab/bad-argument", `inodes cannot be limited on ${kind}`, { context: { kind } });
      const given = args.indexOf("-N");
      if (given >= 0) args.splice(given, 2);
      args.push("-N", String(options.inodes));
    }
    const all = [...args, ...(options.mkfs ?? []), file];
    if (findProgram(program)) await succeed([program, ...all]);
    else await home.peer(program).succeed(all);
  }

  async function mountAt(mode: "ro" | "rw"): Promise<void> {
    const words = [mode, ...(options.mountOptions ?? [])];
    if (image === undefined) {
      words.push(`size=${size}`, "mode=0755");
      if (options.inodes !== undefined) words.push(`nr_inodes=${options.inodes}`);
      await succeed(["mount", "-t", "tmpfs", "-o", words.join(","), "tmpfs", path]);
      return;
    }
    if (!existsSync("/dev/loop-control"))
      throw new LabError("lab/file-system", "there are no loop devices here", { context: { kind } });
    const command: Command = ["mount", "-t", facts.type, "-o", [...words, "loop"].join(","), image, path];
    // Another process may take the free loop device between the question and the answer.
    for (let attempt = 1; ; attempt++) {
      const done = await run(command);
      if (done.code === 0) return;
      if (attempt === 5 || !/loop device/.test(done.errorText))
        throw new LabError("lab/file-system", `cannot mount ${kind}: ${done.errorText.trim()}`, {
          context: { kind, image, path },
        });
      await new Promise((resolve) => setTimeout(resolve, 50 * attempt));
    }
  }
}
