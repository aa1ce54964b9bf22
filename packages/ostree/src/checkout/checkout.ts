import { type ByteString, throwIfAborted } from "@bootc-store/core";
import { type Dir, syncDescriptor } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { Dirtree } from "../format/dirtree.ts";
import type { FileInfo } from "../format/file-info.ts";
import type { TreeNode } from "../read/tree-path.ts";
import type { Repo } from "../repo/repo.ts";
import {
  type DirectoryRules,
  enterDir,
  finishDir,
  isSkipped,
  MAX_DEPTH,
  pathBelow,
  placeWhiteout,
  takeMarks,
} from "./directory.ts";
import { type FileRules, type Labels, linkable, withLabel } from "./file.ts";
import type { CheckoutOptions } from "./options.ts";
import { type CheckoutGroup, checkoutFiles, type FileToPlace } from "./task.ts";
import { linkTree } from "./link-tree.ts";
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
  readonly #dirs: DirectoryRules;
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
    this.#dirs = {
      whiteouts: options.whiteouts ?? false,
      passthroughWhiteouts: options.passthroughWhiteouts ?? false,
      groupModes: repo.mode === "bare-user-only" || options.bareUserOnlyDirs === true,
      skip: options.skip,
    };
  }

  async run(node: TreeNode, parent: Dir, name: ByteString): Promise<CheckoutResult> {
    if (node.kind === "file") {
      // As ostree has it: the file is put into a directory of the destination's name.
      throw ostreeErrors.error("path-not-directory", "Not a directory");
    }
    const tree = this.#repo.readDirtree(node.tree);
    const made = enterDir(parent, name, tree, this.#rules, this.#dirs);
    using top = parent.openDir(name);
    if (!this.#rules.forceCopy && linkable(this.#repo.mode, this.#rules.userMode)) {
      const { devino, signal } = this.#options;
      const { how, directories } = await linkTree(
        this.#repo,
        top,
        { path: "", tree: node.tree, meta: made ? node.meta : undefined },
        {
          files: this.#rules,
          rules: this.#dirs,
          ...(devino === undefined ? {} : { devino }),
          ...(signal === undefined ? {} : { signal }),
        },
      );
      Object.assign(this.#counts, { ...how, directories });
    } else await this.#copy(top, node, tree, made);
    if (this.#options.fsync ?? this.#repo.config.fsync) {
      await this.#repo.pool.run(syncDescriptor, { fd: top.fd, what: "file-system" });
    }
    return { ...this.#counts };
  }

  /** Makes the directories here, and has workers copy what is in them. */
  async #copy(
    top: Dir,
    node: TreeNode & { readonly kind: "directory" },
    tree: Dirtree,
    made: boolean,
  ): Promise<void> {
    this.#top = top;
    try {
      this.#directory(top, node.tree, tree, node.meta, "", made, 0);
      this.#flush();
      for (const running of this.#running) await running;
    } finally {
      await Promise.allSettled(this.#running);
    }
    for (const { path, info } of this.#finish.reverse()) {
      using dir = path === "" ? top.duplicate() : top.openDir(path);
      const label = this.#label(path, "", info.mode);
      finishDir(dir, withLabel(info, label), this.#rules, this.#dirs);
    }
    if (this.#cache !== undefined) new UncompressedCache(this.#cache.fd).collect(this.#cachedShards);
  }

  #directory(
    into: Dir,
    checksum: Checksum,
    tree: Dirtree,
    meta: Checksum,
    path: ByteString | "",
    made: boolean,
    depth: number,
  ): void {
    throwIfAborted(this.#options.signal);
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `${checksum}: too many directories in one another`);
    this.#counts.directories++;
    if (made) this.#finish.push({ path, info: this.#repo.readDirmeta(meta) });
    const files: FileToPlace[] = [];
    for (const [name, file] of takeMarks(into, path, tree, this.#dirs, (mark, object) =>
      placeWhiteout(this.#repo.reader, into, mark, object, this.#rules.userMode, (target, mode) =>
        this.#label(path, target, mode),
      ),
    )) {
      const labels = this.#labels(path, name);
      files.push(labels === undefined ? [name, file] : [name, file, labels]);
      if (this.#cache !== undefined) this.#cachedShards.add(file.slice(0, 2));
    }
    if (files.length > 0) this.#queue(path, files);
    for (const [name, dir] of tree.dirs) {
      const below = pathBelow(path, name);
      if (isSkipped(this.#dirs, below)) continue;
      const child = this.#repo.readDirtree(dir.tree);
      const childMade = enterDir(into, name, child, this.#rules, this.#dirs);
      using next = into.openDir(name);
      this.#directory(next, dir.tree, child, dir.meta, below, childMade, depth + 1);
    }
  }

  #labels(dir: ByteString | "", name: ByteString): Labels | undefined {
    return this.#rules.userMode ? undefined : labelsAt(this.#options, dir, name);
  }

  #label(dir: ByteString | "", name: ByteString | "", mode: number): ByteString | undefined {
    return this.#rules.userMode ? undefined : labelAt(this.#options, dir, name, mode);
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

  [Symbol.dispose](): void {
    this.#cache?.[Symbol.dispose]();
  }
}
