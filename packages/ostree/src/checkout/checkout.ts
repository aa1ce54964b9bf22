import { type ByteString, displayName, throwIfAborted } from "@bootc-store/core";
import { type Dir, fileKey, syncDescriptor } from "@bootc-store/linux";
import { TYPE_BITS } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { Dirtree } from "../format/dirtree.ts";
import type { FileInfo } from "../format/file-info.ts";
import type { TreeNode } from "../read/tree-path.ts";
import type { Repo } from "../repo/repo.ts";
import { checkoutFile, type FileRules, type Labels, linkable, withLabel } from "./file.ts";
import type { CheckoutOptions } from "./options.ts";
import { type CheckoutGroup, checkoutFiles, type FileToPlace } from "./task.ts";
import { labelAt, labelsAt } from "./labels.ts";
import { openUncompressedCache, UncompressedCache } from "./uncompressed-cache.ts";

/** How many files came to be in which way. */
export interface CheckoutResult {
  readonly linked: number;
  readonly cloned: number;
  readonly copied: number;
  /** There before, and left alone. */
  readonly kept: number;
  readonly directories: number;
}

const BATCH_FILES = 256;
const MAX_DEPTH = 2048;
const DOCKER = ".wh.";
const OPAQUE = ".wh..wh..opq";
const PASSTHROUGH = ".ostree-wh.";

/**
 * Checks out a directory or a file of a commit under a name in `parent`. A file comes into a new directory of that name.
 * Throws `linux/exists`, `ostree/hardlink-impossible`, `ostree/object-not-found` and others; what was made until then stays.
 */
export async function checkout(
  repo: Repo,
  node: TreeNode,
  parent: Dir,
  name: ByteString,
  options: CheckoutOptions = {},
): Promise<CheckoutResult> {
  using checkout = new Checkout(repo, options);
  return await checkout.run(node, parent, name);
}

class Checkout implements Disposable {
  readonly #repo: Repo;
  readonly #options: CheckoutOptions;
  readonly #rules: FileRules;
  /** Whether links are what is to be made; then this thread does it, since a link takes no time. */
  readonly #inline: boolean;
  readonly #counts = { linked: 0, cloned: 0, copied: 0, kept: 0, directories: 0 };
  readonly #finish: { path: ByteString | ""; info: FileInfo }[] = [];
  readonly #running: Promise<void>[] = [];
  /** Of an archive in user mode. */
  readonly #cache: Dir | undefined;
  readonly #cachedShards = new Set<string>();
  #groups: CheckoutGroup[] = [];
  #pending = 0;
  #top: Dir | undefined;

  constructor(repo: Repo, options: CheckoutOptions) {
    this.#repo = repo;
    this.#options = options;
    const userMode = options.userMode === true || repo.mode === "bare-user-only";
    const { config } = repo;
    if (options.cache === true && userMode && config.mode === "archive" && config.uncompressedCache) {
      this.#cache = openUncompressedCache(repo.dir);
    }
    this.#rules = {
      userMode,
      overwrite: options.overwrite ?? "refuse",
      forceCopy: options.forceCopy === true || options.label !== undefined,
      requireHardlinks: options.requireHardlinks ?? false,
      replaceDirectories: options.whiteouts ?? false,
      ...(this.#cache === undefined ? {} : { cache: this.#cache.fd }),
    };
    this.#inline = !this.#rules.forceCopy && linkable(repo.mode, userMode);
  }

  async run(node: TreeNode, parent: Dir, name: ByteString): Promise<CheckoutResult> {
    if (node.kind === "file") {
      // As ostree has it: the file is put into a directory of the destination's name.
      throw ostreeErrors.error("path-not-directory", "Not a directory");
    }
    const tree = this.#repo.readDirtree(node.tree);
    const made = this.#makeDir(parent, name, tree);
    using top = parent.openDir(name);
    this.#top = top;
    try {
      await this.#directory(top, node.tree, tree, node.meta, "", made, 0);
      this.#flush();
      for (const running of this.#running) await running;
    } finally {
      await Promise.allSettled(this.#running);
    }
    for (const { path, info } of this.#finish.reverse()) this.#finishDir(top, path, info);
    if (this.#cache !== undefined) new UncompressedCache(this.#cache.fd).collect(this.#cachedShards);
    if (this.#options.fsync ?? this.#repo.config.fsync) {
      await this.#repo.pool.run(syncDescriptor, { fd: top.fd, what: "file-system" });
    }
    return { ...this.#counts };
  }

  /** Makes a directory or takes the one that is there; true if it was made. */
  #makeDir(parent: Dir, name: ByteString, tree: Dirtree): boolean {
    if (this.#options.whiteouts === true) {
      const type = parent.statOptional(name)?.type;
      if (type !== undefined && (type !== "directory" || tree.files.has(OPAQUE as ByteString)))
        parent.removeAll(name);
    }
    if (this.#rules.overwrite === "refuse") {
      parent.makeDir(name, 0o700);
      return true;
    }
    return parent.ensureDir(name, { mode: 0o700 }) === "created";
  }

  async #directory(
    into: Dir,
    checksum: Checksum,
    tree: Dirtree,
    meta: Checksum,
    path: ByteString | "",
    made: boolean,
    depth: number,
  ): Promise<void> {
    throwIfAborted(this.#options.signal);
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `${checksum}: too many directories in one another`);
    this.#counts.directories++;
    if (made) this.#finish.push({ path, info: this.#repo.readDirmeta(meta) });
    const files: FileToPlace[] = [];
    for (const [name, file] of tree.files) {
      if (this.#options.skip?.has(`/${path === "" ? "" : `${path}/`}${name}` as ByteString) === true)
        continue;
      if (this.#options.whiteouts === true && name.startsWith(DOCKER)) this.#whiteout(into, name);
      else if (this.#options.passthroughWhiteouts === true && name.startsWith(PASSTHROUGH)) {
        this.#passthrough(into, path, name, file);
      } else {
        const labels = this.#labels(path, name);
        files.push(labels === undefined ? [name, file] : [name, file, labels]);
        if (this.#cache !== undefined) this.#cachedShards.add(file.slice(0, 2));
      }
    }
    if (this.#inline) await this.#link(into, files);
    else if (files.length > 0) this.#queue(path, files);
    for (const [name, dir] of tree.dirs) {
      const below = (path === "" ? name : `${path}/${name}`) as ByteString;
      if (this.#options.skip?.has(`/${below}` as ByteString) === true) continue;
      const child = this.#repo.readDirtree(dir.tree);
      const childMade = this.#makeDir(into, name, child);
      using next = into.openDir(name);
      await this.#directory(next, dir.tree, child, dir.meta, below, childMade, depth + 1);
    }
  }

  #labels(dir: ByteString | "", name: ByteString): Labels | undefined {
    return this.#rules.userMode ? undefined : labelsAt(this.#options, dir, name);
  }

  #label(dir: ByteString | "", name: ByteString | "", mode: number): ByteString | undefined {
    return this.#rules.userMode ? undefined : labelAt(this.#options, dir, name, mode);
  }

  async #link(into: Dir, files: readonly FileToPlace[]): Promise<void> {
    for (const [name, checksum] of files) {
      const how = await checkoutFile(this.#repo.reader, into, name, checksum, this.#rules);
      this.#counts[how]++;
      if (how === "linked") this.#options.devino?.set(fileKey(into.stat(name)), checksum);
    }
  }

  #queue(dir: ByteString | "", files: readonly FileToPlace[]): void {
    for (let at = 0; at < files.length; at += BATCH_FILES) {
      const part = files.slice(at, at + BATCH_FILES);
      this.#groups.push({ dir, files: part });
      this.#pending += part.length;
      if (this.#pending >= BATCH_FILES) this.#flush();
    }
  }

  #flush(): void {
    if (this.#groups.length === 0) return;
    const groups = this.#groups;
    this.#groups = [];
    this.#pending = 0;
    const running = this.#run(groups);
    running.catch(() => {});
    this.#running.push(running);
  }

  async #run(groups: readonly CheckoutGroup[]): Promise<void> {
    const { signal } = this.#options;
    const counts = await this.#repo.pool.run(
      checkoutFiles,
      { places: this.#repo.places(), into: (this.#top as Dir).fd, rules: this.#rules, groups },
      signal === undefined ? {} : { signal },
    );
    for (const how of ["linked", "cloned", "copied", "kept"] as const) this.#counts[how] += counts[how];
  }

  #whiteout(into: Dir, name: ByteString): void {
    if (name === OPAQUE) return;
    const target = name.slice(DOCKER.length) as ByteString;
    if (target === "") throw ostreeErrors.error("whiteout-invalid", "Invalid empty whiteout ''");
    if (target === "." || target === "..") {
      throw ostreeErrors.error("whiteout-invalid", `Invalid whiteout '${displayName(target)}'`);
    }
    into.removeAll(target);
  }

  #passthrough(into: Dir, path: ByteString | "", name: ByteString, checksum: Checksum): void {
    const target = name.slice(PASSTHROUGH.length) as ByteString;
    if (target === "" || target === "." || target === "..") {
      throw ostreeErrors.error("whiteout-invalid", "Invalid empty whiteout ''");
    }
    using object = this.#repo.openFile(checksum);
    const info = withLabel(object.info, this.#label(path, target, TYPE_BITS.char));
    into.mknod(target, "character", { mode: 0o600, device: { major: 0, minor: 0 } });
    if (!this.#rules.userMode) {
      into.setOwner(target, info.uid, info.gid);
      for (const [xattr, value] of info.xattrs) into.setXattr(target, xattr, Buffer.from(value, "latin1"));
    }
    into.setMode(target, info.mode & 0o7777);
  }

  [Symbol.dispose](): void {
    this.#cache?.[Symbol.dispose]();
  }

  #finishDir(top: Dir, path: ByteString | "", own: FileInfo): void {
    const info = withLabel(own, this.#label(path, "", own.mode));
    using dir = path === "" ? top.duplicate() : top.openDir(path);
    const self = dir.self();
    const only = this.#repo.mode === "bare-user-only" || this.#options.bareUserOnlyDirs === true;
    if (!this.#rules.userMode) {
      for (const [xattr, value] of info.xattrs) self.setXattr(xattr, Buffer.from(value, "latin1"));
      self.setOwner(info.uid, info.gid);
    }
    self.setMode(info.mode & (only ? 0o775 : 0o7777));
    if (!this.#rules.forceCopy) self.setTimes({ mtime: { seconds: 0, nanoseconds: 0 } });
  }
}
