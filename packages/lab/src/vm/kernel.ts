import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { AptView, debianMirror } from "../apt.ts";
import { makeDirectory } from "../atomic.ts";
import { cachePaths, type CachePaths } from "../cache.ts";
import { LabError } from "../errors.ts";
import { run, succeed } from "../exec.ts";
import { ensurePrograms, type ProgramOf, requireRoot } from "../host.ts";
import { lock } from "../lock.ts";
import type { InstallOptions } from "../peers/install.ts";
import { PEER_SUITE } from "../peers/names.ts";
import { readRecord, recordPath } from "../peers/record.ts";

/** Modules kept of the kernel; what they need comes along. */
const MODULES = [
  "virtio_blk",
  "loop",
  "erofs",
  "overlay",
  "xfs",
  "btrfs",
  "dm_flakey",
  "dm_log_writes",
] as const;

export type KernelModule = (typeof MODULES)[number];

export interface KernelRecord {
  /** As `uname -r` tells. */
  release: string;
  packages: readonly string[];
  /** For each module the files to load, in order, itself last. */
  load: Readonly<Record<string, readonly string[]>>;
  madeAt: string;
}

const RECIPE = createHash("sha256")
  .update(JSON.stringify([1, PEER_SUITE, MODULES]))
  .digest("hex")
  .slice(0, 12);

/** What the machine itself has to have. */
export const vmPrograms: readonly ProgramOf[] = [
  ["qemu-system-x86_64", "qemu-system-x86"],
  ["mke2fs", "e2fsprogs"],
  ["debugfs", "e2fsprogs"],
];

export const kernelPlace = (cache: CachePaths): string => join(cache.vm, `kernel-${RECIPE}`);

export const kernelRecord = (cache: CachePaths): KernelRecord | undefined =>
  readRecord(kernelPlace(cache)) as KernelRecord | undefined;

/**
 * Fetches Debian's cloud kernel, whose fs-verity the machine's own may lack, and qemu. Does nothing when both are there.
 *
 * @throws LabError `lab/needs-root`, `lab/virtual-machine` on anything but x86-64
 */
export async function installVirtualMachine(options: InstallOptions = {}): Promise<KernelRecord> {
  const cache = cachePaths(options.cache);
  const log = options.log ?? (() => undefined);
  if (process.arch !== "x64")
    throw new LabError("lab/virtual-machine", `there is no virtual machine on ${process.arch}`);
  await ensurePrograms(vmPrograms, log);
  const there = kernelRecord(cache);
  if (there) return there;
  requireRoot("fetching the kernel");
  await ensurePrograms([["xz", "xz-utils"]], log);
  await using _held = await lock(join(cache.locks, "vm"));
  const meanwhile = kernelRecord(cache);
  if (meanwhile) return meanwhile;
  log("fetching Debian's cloud kernel");
  await makeDirectory(kernelPlace(cache), cache.vm, fetchKernel);
  const made = kernelRecord(cache);
  if (!made) throw new LabError("lab/virtual-machine", "the kernel was fetched without its record");
  return made;
}

async function fetchKernel(directory: string): Promise<void> {
  const work = join(directory, "work");
  const apt = await AptView.make(join(work, "apt"), PEER_SUITE, debianMirror());
  // The meta package names the image of the day; that, in newer suites, is an image and its modules apart.
  const images = (await apt.depends("linux-image-cloud-amd64")).filter((name) =>
    /^linux-image-\d/.test(name),
  );
  const parts = (await Promise.all(images.map((name) => apt.depends(name)))).flat();
  const names = [...images, ...parts.filter((name) => /^linux-(binary|modules)-\d/.test(name))];
  const root = join(work, "root");
  for (const deb of await apt.download([...new Set(names)])) await succeed(["dpkg-deb", "-x", deb, root]);

  const modulesRoot = join(root, "usr/lib/modules");
  const release = readdirSync(modulesRoot)[0];
  if (release === undefined)
    throw new LabError("lab/virtual-machine", "the kernel packages hold no modules", { context: { names } });
  writeFileSync(join(directory, "kernel"), uncompressed(readKernel(root, release)));

  const found = await ModuleSet.read(join(modulesRoot, release));
  mkdirSync(join(directory, "modules"));
  const load: Record<string, string[]> = {};
  for (const name of MODULES) load[name] = await found.copy(name, join(directory, "modules"));
  await succeed(["rm", "-rf", "--one-file-system", work]);
  const record: KernelRecord = { release, packages: names, load, madeAt: new Date().toISOString() };
  writeFileSync(recordPath(directory), `${JSON.stringify(record, null, 2)}\n`);
}

function readKernel(root: string, release: string): Buffer {
  for (const place of [`usr/lib/modules/${release}/vmlinuz`, `boot/vmlinuz-${release}`]) {
    try {
      return readFileSync(join(root, place));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new LabError("lab/virtual-machine", "the kernel packages hold no kernel", { context: { release } });
}

/**
 * The ELF image inside a bzImage (Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset at 0x248,
 * payload_length at 0x24c). qemu starts it by its PVH note, which saves a second or two of emulated decompression. What is not
 * packed with zstd is returned as it is: qemu starts that too.
 */
export function uncompressed(image: Buffer): Buffer {
  if (image.length < 0x250 || image.toString("latin1", 0x202, 0x206) !== "HdrS") return image;
  const setupSectors = image[0x1f1] === 0 ? 4 : (image[0x1f1] ?? 4);
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  // The last four bytes are the unpacked size.
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c) - 4);
  return payload.readUInt32LE(0) === 0xfd2fb528 ? zstdDecompressSync(payload) : image;
}

/** The modules of one kernel; dependencies are read from the modules, so nothing needs depmod. */
class ModuleSet {
  readonly #paths: ReadonlyMap<string, string>;

  private constructor(paths: ReadonlyMap<string, string>) {
    this.#paths = paths;
  }

  static async read(root: string): Promise<ModuleSet> {
    const { text } = await succeed(["find", root, "-name", "*.ko*", "-type", "f"]);
    const paths = new Map<string, string>();
    for (const path of text.split("\n").filter((line) => line !== "")) {
      const name = /([^/]+)\.ko(?:\.\w+)?$/.exec(path)?.[1];
      if (name !== undefined) paths.set(name.replaceAll("-", "_"), path);
    }
    return new ModuleSet(paths);
  }

  /** Writes a module and what it needs, unpacked, into a directory; returns the file names in loading order. */
  async copy(name: string, into: string): Promise<string[]> {
    const path = this.#paths.get(name);
    // Built into the kernel.
    if (path === undefined) return [];
    const bytes = await this.#unpack(path);
    const needs = /\0depends=([^\0]*)\0/.exec(bytes.toString("latin1"))?.[1] ?? "";
    const order: string[] = [];
    for (const need of needs.split(",").filter((one) => one !== ""))
      for (const file of await this.copy(need.replaceAll("-", "_"), into))
        if (!order.includes(file)) order.push(file);
    writeFileSync(join(into, `${name}.ko`), bytes);
    return [...order, `${name}.ko`];
  }

  async #unpack(path: string): Promise<Buffer> {
    if (path.endsWith(".ko")) return readFileSync(path);
    if (path.endsWith(".zst")) return zstdDecompressSync(readFileSync(path));
    const done = await run(["xz", "-dc", path]);
    if (done.code !== 0)
      throw new LabError("lab/virtual-machine", `cannot unpack ${path}: ${done.errorText}`, {
        context: { path },
      });
    return done.stdout;
  }
}
