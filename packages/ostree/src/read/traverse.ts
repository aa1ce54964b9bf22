import { isStoreError } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { decodeCommit } from "../format/commit.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { type ObjectType } from "../format/object-type.ts";
import type { ObjectReader } from "../objects/reader.ts";

/** `CHECKSUM.TYPE`: an object as one text, for sets. */
export type ObjectKey = string;

export function objectKey(checksum: Checksum, type: ObjectType): ObjectKey {
  return `${checksum}.${type}`;
}

export function parseObjectKey(key: ObjectKey): { readonly checksum: Checksum; readonly type: ObjectType } {
  return { checksum: key.slice(0, 64), type: key.slice(65) as ObjectType };
}

export interface TraverseOptions {
  /** Parents that are followed from each commit; -1 for all. Default 0. */
  readonly depth?: number;
  /**
   * Called for an object that is not there or cannot be read, which then is passed over. Left out: the error is thrown.
   * A missing parent commit is never an error: histories may be cut.
   */
  readonly onMissing?: (key: ObjectKey, commit: Checksum, error: unknown) => void;
  /** Only commits, not what they refer to. */
  readonly commitOnly?: boolean;
}

/** More than any real tree; a circle of directories cannot be made without breaking SHA-256, so this is depth alone. */
const MAX_DEPTH = 2048;

/** Gathers what commits refer to. One object may be asked for again and again; each tree is read once. */
export class Traversal {
  /** Everything that was reached, missing objects included. */
  readonly reachable = new Set<ObjectKey>();
  /** How far parents have been followed from a commit; -1 is without end. */
  readonly #depths = new Map<Checksum, number>();
  readonly #reader: ObjectReader;
  readonly #options: TraverseOptions;

  constructor(reader: ObjectReader, options: TraverseOptions = {}) {
    this.#reader = reader;
    this.#options = options;
  }

  /** Adds a commit, its tree, and its parents as deep as the options say. */
  addCommit(start: Checksum, depth: number = this.#options.depth ?? 0): void {
    let commit: Checksum | undefined = start;
    let left = depth;
    while (commit !== undefined) {
      const before = this.#depths.get(commit);
      if (before !== undefined && (before < 0 || (left >= 0 && before >= left))) return;
      this.#depths.set(commit, left);
      const bytes = this.#reader.readMetadataOptional(commit, "commit");
      if (bytes === undefined) {
        if (commit === start)
          this.#missing(objectKey(commit, "commit"), commit, notThere(objectKey(commit, "commit")));
        return;
      }
      this.reachable.add(objectKey(commit, "commit"));
      let parent: Checksum | undefined;
      try {
        const decoded = decodeCommit(bytes, objectKey(commit, "commit"));
        parent = decoded.parent;
        if (before === undefined && this.#options.commitOnly !== true) {
          this.reachable.add(objectKey(decoded.meta, "dirmeta"));
          this.#addTree(decoded.tree, commit, 0);
        }
      } catch (error) {
        if (this.#options.onMissing === undefined || !isStoreError(error)) throw error;
        this.#missing(objectKey(commit, "commit"), commit, error);
      }
      if (left === 0) return;
      if (left > 0) left--;
      commit = parent;
    }
  }

  #addTree(checksum: Checksum, commit: Checksum, depth: number): void {
    const key = objectKey(checksum, "dirtree");
    if (this.reachable.has(key)) return;
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `more than ${MAX_DEPTH} directories in one another`);
    this.reachable.add(key);
    const bytes = this.#reader.readMetadataOptional(checksum, "dirtree");
    if (bytes === undefined) return this.#missing(key, commit, notThere(key));
    let tree;
    try {
      tree = decodeDirtree(bytes, key);
    } catch (error) {
      if (this.#options.onMissing === undefined || !isStoreError(error)) throw error;
      return this.#missing(key, commit, error);
    }
    for (const file of tree.files.values()) this.reachable.add(objectKey(file, "file"));
    for (const dir of tree.dirs.values()) {
      this.reachable.add(objectKey(dir.meta, "dirmeta"));
      this.#addTree(dir.tree, commit, depth + 1);
    }
  }

  #missing(key: ObjectKey, commit: Checksum, error: unknown): void {
    if (this.#options.onMissing === undefined) throw error;
    this.#options.onMissing(key, commit, error);
  }
}

function notThere(key: ObjectKey): Error {
  return ostreeErrors.error("object-not-found", `No such metadata object ${key}`, {
    context: { digest: key.slice(0, 64) },
  });
}
