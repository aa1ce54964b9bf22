import type { Root } from "@bootc-store/backend";
import { type ByteString, displayName, throwIfAborted } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import { decodeCommit } from "../format/commit.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { objectKey } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";

/** A way from a root to an object. */
export interface Reason {
  readonly root: Root;
  /** What lies between, from the root on: commits, then the first path that has the object. */
  readonly chain: readonly string[];
}

/**
 * What keeps an object, a way from each root that leads to it: through the commit that the root names, or a parent of
 * it. Damage on the way is passed over.
 * @param object a checksum of any type, or `CHECKSUM.TYPE`
 */
export function* reasonsFor(
  repo: Repo,
  roots: readonly Root[],
  object: string,
  signal?: AbortSignal,
): Generator<Reason> {
  const search = new Search(repo, object, signal);
  for (const root of roots) {
    const chain = search.from(root.target);
    if (chain !== undefined) yield { root, chain };
  }
}

class Search {
  readonly #repo: Repo;
  readonly #object: string;
  readonly #signal: AbortSignal | undefined;
  /** Where in a tree the object is; each tree is searched once. */
  readonly #found = new Map<Checksum, string | undefined>();

  constructor(repo: Repo, object: string, signal: AbortSignal | undefined) {
    this.#repo = repo;
    this.#object = object;
    this.#signal = signal;
  }

  #is(checksum: Checksum, type: "commit" | "dirtree" | "dirmeta" | "file"): boolean {
    return checksum === this.#object || objectKey(checksum, type) === this.#object;
  }

  from(start: Checksum): string[] | undefined {
    const commits: string[] = [];
    for (let commit: Checksum | undefined = start; commit !== undefined && !commits.includes(commit);) {
      throwIfAborted(this.#signal);
      commits.push(commit);
      if (this.#is(commit, "commit")) return commits;
      const bytes = this.#repo.reader.readMetadataOptional(commit, "commit");
      if (bytes === undefined) return undefined;
      const { tree, meta, parent } = decodeCommit(bytes, objectKey(commit, "commit"));
      const path = this.#is(meta, "dirmeta") ? "/" : this.#inTree(tree, 0);
      if (path !== undefined) return [...commits, path === "" ? "/" : path];
      commit = parent;
    }
    return undefined;
  }

  /** The path below a tree; empty for the tree itself. */
  #inTree(tree: Checksum, depth: number): string | undefined {
    if (this.#is(tree, "dirtree")) return "";
    if (this.#found.has(tree) || depth > MAX_DEPTH) return this.#found.get(tree);
    this.#found.set(tree, undefined);
    throwIfAborted(this.#signal);
    const bytes = this.#repo.reader.readMetadataOptional(tree, "dirtree");
    if (bytes === undefined) return undefined;
    const { files, dirs } = decodeDirtree(bytes, objectKey(tree, "dirtree"));
    for (const [name, file] of files) if (this.#is(file, "file")) return this.#keep(tree, name, "");
    for (const [name, dir] of dirs) {
      const below = this.#is(dir.meta, "dirmeta") ? "" : this.#inTree(dir.tree, depth + 1);
      if (below !== undefined) return this.#keep(tree, name, below);
    }
    return undefined;
  }

  #keep(tree: Checksum, name: ByteString, below: string): string {
    const path = `/${displayName(name)}${below}`;
    this.#found.set(tree, path);
    return path;
  }
}

const MAX_DEPTH = 2048;
