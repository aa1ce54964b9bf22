import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { debianMirror } from "../apt.ts";
import { makeDirectory } from "../atomic.ts";
import { cachePaths, type CachePaths } from "../cache.ts";
import { contained } from "../contained.ts";
import { LabError } from "../errors.ts";
import { succeed } from "../exec.ts";
import { ensurePrograms, requireRoot } from "../host.ts";
import { lock } from "../lock.ts";
import type { InstallOptions } from "../peers/install.ts";
import { readRecord, recordPath } from "../peers/record.ts";
import { type TreeName, type TreeRecipe, treeRecipes } from "./packages.ts";

export interface OsTree {
  name: TreeName;
  /** The root of the tree. Shared by all who ask: read it, copy it, never write to it. */
  root: string;
  files: number;
  directories: number;
  links: number;
  /** Bytes of all regular files, hard links once. */
  bytes: number;
}

const recipeOf = (name: TreeName): string => {
  const recipe: TreeRecipe = treeRecipes[name];
  return createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
};

export const treeDirectory = (cache: CachePaths, name: TreeName): string =>
  join(cache.images, `${name}-${recipeOf(name)}`);

/** The tree if it has been built. */
export function findOsTree(name: TreeName, cacheRoot?: string): OsTree | undefined {
  return readRecord(treeDirectory(cachePaths(cacheRoot), name)) as OsTree | undefined;
}

/**
 * Builds a tree of a real operating system from Debian packages, once, and makes it bootc-shaped: kernel and initramfs
 * below usr/lib/modules, empty /boot and /var, the links that such images have. `os` takes two minutes and 1.1 GB. The
 * bytes are those of today's archive: equal between runs on one cache, not for ever.
 */
export async function buildOsTree(name: TreeName, options: InstallOptions = {}): Promise<OsTree> {
  const there = findOsTree(name, options.cache);
  if (there) return there;
  requireRoot(`building the ${name} tree`);
  const cache = cachePaths(options.cache);
  const log = options.log ?? (() => undefined);
  await ensurePrograms([["mmdebstrap", "mmdebstrap"]], log);
  await using _held = await lock(join(cache.locks, `image-${name}`));
  const meanwhile = findOsTree(name, options.cache);
  if (meanwhile) return meanwhile;
  const recipe: TreeRecipe = treeRecipes[name];
  const mirror = debianMirror();
  const place = treeDirectory(cache, name);
  log(`building the ${name} tree from ${recipe.packages.length} Debian packages and what they need`);
  await makeDirectory(place, cache.images, async (temporary) => {
    const root = join(temporary, "root");
    await mkdir(root);
    await contained(
      [
        "mmdebstrap",
        "--mode=root",
        `--variant=${recipe.variant}`,
        `--include=${recipe.packages.join(",")}`,
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Check-Valid-Until "false"',
        ...(name === "small" ? ["--dpkgopt=path-exclude=/usr/share/doc/*"] : []),
        recipe.suite,
        root,
        `deb [signed-by=${mirror.signedBy}] ${mirror.uri} ${recipe.suite} main`,
      ],
      { timeout: 1_800_000 },
    );
    await shape(root);
    const tree: OsTree = { name, root: join(place, "root"), ...count(root) };
    writeFileSync(recordPath(temporary), `${JSON.stringify(tree, null, 2)}\n`);
    await succeed(["sync", "-f", recordPath(temporary)], { timeout: 600_000 });
  });
  const made = findOsTree(name, options.cache);
  if (!made) throw new LabError("lab/image", `the ${name} tree was built without its record`);
  return made;
}

/** What an image for bootc looks like. */
async function shape(root: string): Promise<void> {
  const at = (path: string): string => join(root, path);
  for (const dir of ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64"]) mkdirSync(at(dir), { recursive: true });
  // Without maintainer scripts nobody has merged /usr.
  for (const dir of ["bin", "sbin", "lib", "lib64"])
    if (!isThere(at(dir))) await symlink(`usr/${dir}`, at(dir));

  const modules = at("usr/lib/modules");
  mkdirSync(modules, { recursive: true });
  const release = readdirSync(modules)[0] ?? "0.0.0-none";
  const into = join(modules, release);
  mkdirSync(into, { recursive: true });
  const kernel = at(`boot/vmlinuz-${release}`);
  if (existsSync(kernel)) {
    await rename(kernel, join(into, "vmlinuz"));
    const initrd = at(`boot/initrd.img-${release}`);
    if (existsSync(initrd)) await rename(initrd, join(into, "initramfs.img"));
    const config = at(`boot/config-${release}`);
    if (existsSync(config)) await rename(config, join(into, "config"));
  }
  // Tools look for both; where no kernel is installed, any bytes do.
  for (const file of ["vmlinuz", "initramfs.img"])
    if (!existsSync(join(into, file)))
      writeFileSync(join(into, file), createHash("sha512").update(file).digest());

  mkdirSync(at("usr/lib/sysimage"), { recursive: true });
  if (existsSync(at("var/lib/dpkg"))) await rename(at("var/lib/dpkg"), at("usr/lib/sysimage/dpkg"));
  for (const dir of ["boot", "dev", "run", "tmp", "var", "proc", "sys"]) {
    await rm(at(dir), { recursive: true, force: true });
    mkdirSync(at(dir), { mode: dir === "tmp" ? 0o1777 : 0o755 });
  }
  const moved = { home: "var/home", root: "var/roothome", srv: "var/srv", mnt: "var/mnt", opt: "var/opt" };
  for (const [dir, target] of Object.entries(moved)) {
    await rm(at(dir), { recursive: true, force: true });
    await symlink(target, at(dir));
  }
  await rm(at("usr/local"), { recursive: true, force: true });
  await symlink("../var/usrlocal", at("usr/local"));
  mkdirSync(at("sysroot"));
  await symlink("sysroot/ostree", at("ostree"));
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Counts what a tree holds. Names are bytes: a directory whose name is not UTF-8 is entered too. */
export function count(root: string): Pick<OsTree, "files" | "directories" | "links" | "bytes"> {
  const total = { files: 0, directories: 0, links: 0, bytes: 0 };
  const seen = new Set<string>();
  const queue = [Buffer.from(root)];
  for (let directory = queue.pop(); directory !== undefined; directory = queue.pop()) {
    total.directories++;
    for (const name of readdirSync(directory, "buffer")) {
      const path = Buffer.concat([directory, Buffer.from("/"), name]);
      const stat = lstatSync(path);
      if (stat.isDirectory()) queue.push(path);
      else if (stat.isSymbolicLink()) total.links++;
      else if (stat.isFile()) {
        total.files++;
        const id = `${stat.dev}:${stat.ino}`;
        if (stat.nlink > 1 && seen.has(id)) continue;
        seen.add(id);
        total.bytes += stat.size;
      }
    }
  }
  return total;
}
