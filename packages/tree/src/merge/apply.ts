import { type ByteString, isStoreError } from "@bootc-store/core";

import { Directory } from "../directory.ts";
import { treeErrors } from "../errors.ts";
import type { LayerEntry, LayerHardlink } from "../layer.ts";
import { device, type Inode, type Leaf, setMetadata } from "../leaf.ts";
import type { TreeLimits } from "../limits.ts";
import { EPOCH, type Metadata, metadataOf } from "../metadata.ts";
import { joinPath, shown, splitPath } from "../name.ts";
import { Xattrs } from "../xattrs.ts";
import { findDirectory, resolvePath, targetEscapes } from "./place.ts";
import type { MergeRules } from "./rules.ts";
import { OPAQUE_NAME, OverlayMarks, whiteoutTarget } from "./whiteout.ts";

/** Applies the entries of one layer to a tree: the layer's own where rules stage layers, else the merged one. */
export class EntryApplier {
  readonly #root: Directory;
  readonly #rules: MergeRules;
  readonly #limits: TreeLimits;
  readonly #parentMetadata: Metadata;
  readonly #marks: OverlayMarks;
  readonly #ignored: ReadonlySet<ByteString>;
  readonly #count: () => void;
  readonly #deferred: { readonly place: Place; readonly target: readonly ByteString[] }[] = [];

  /** @param count is called for each new name. */
  constructor(
    root: Directory,
    rules: MergeRules,
    limits: TreeLimits,
    parentMetadata: Metadata,
    count: () => void,
  ) {
    this.#root = root;
    this.#rules = rules;
    this.#limits = limits;
    this.#parentMetadata = parentMetadata;
    this.#marks = new OverlayMarks(rules.overlayXattrs);
    this.#ignored = new Set(rules.ignoredXattrs);
    this.#count = count;
  }

  apply(entry: LayerEntry): void {
    const parts = this.#split(entry.path);
    const name = parts.pop();
    if (name === undefined) this.#applyRoot(entry);
    else if (this.#rules.whiteoutEntries !== "keep" && name === OPAQUE_NAME) this.#applyOpaque(parts, entry);
    else {
      const hidden = this.#rules.whiteoutEntries === "keep" ? undefined : whiteoutTarget(name);
      if (hidden !== undefined) this.#applyWhiteout(parts, hidden, entry);
      else this.#applyEntry({ parts, name, directory: this.#parentOf(parts, entry) }, entry);
    }
  }

  /** Resolves the hard links that wait for the end of the layer. */
  finish(): void {
    for (const { place, target } of this.#deferred) {
      this.#put(place, this.#findLeaf(target, place));
    }
    this.#deferred.length = 0;
  }

  #split(path: ByteString): ByteString[] {
    const parts =
      this.#rules.dotdot === "resolve"
        ? resolvePath(path, this.#limits)
        : splitPath(path, this.#limits.nameLength);
    if (parts.length > this.#limits.depth) {
      throw treeErrors.error(
        "limit-exceeded",
        `"${shown(path)}" has ${parts.length} components, the limit is ${this.#limits.depth}`,
      );
    }
    return parts;
  }

  #applyRoot(entry: LayerEntry): void {
    if (this.#rules.rootEntry === "ignore" && entry.type === "directory") return;
    if (entry.type !== "directory") {
      throw treeErrors.error("root-invalid", "a layer has an entry for the root that is no directory");
    }
    this.#root.metadata = this.#metadata(entry.metadata);
  }

  #applyOpaque(parts: readonly ByteString[], entry: LayerEntry): void {
    const directory = this.#parentOf(parts, entry);
    if (directory === undefined) return;
    if (this.#rules.whiteoutEntries === "apply") directory.clear();
    else {
      const { metadata } = directory;
      setMetadata(directory, {
        ...metadata,
        xattrs: metadata.xattrs.with(this.#marks.opaqueName, "y" as ByteString),
      });
    }
  }

  #applyWhiteout(parts: readonly ByteString[], hidden: ByteString, entry: LayerEntry): void {
    const directory = this.#parentOf(parts, entry, true);
    if (directory === undefined) return;
    if (this.#rules.whiteoutEntries === "apply") {
      directory.delete(hidden);
      return;
    }
    const path = shown(joinPath([...parts, hidden]));
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw treeErrors.error(
        "whiteout-invalid",
        `a whiteout in "${shown(joinPath(parts))}" has no name to hide`,
      );
    }
    if (directory.has(hidden)) {
      throw treeErrors.error(
        "whiteout-conflict",
        `"${path}" is hidden by the same layer that has it already`,
      );
    }
    const { uid, gid } = entry.type === "leaf" ? entry.leaf.metadata : entry.metadata;
    this.#count();
    directory.set(hidden, device("char", metadataOf("char", { permissions: 0, uid, gid }), 0, 0));
  }

  #applyEntry(place: MaybePlace, entry: LayerEntry): void {
    const { directory, name } = place;
    if (directory === undefined) return;
    const existing = directory.get(name);
    if (existing === undefined) this.#count();
    if (entry.type === "directory") {
      if (existing?.kind === "directory") this.#updateDirectory(existing, entry.metadata);
      else this.#put({ ...place, directory }, new Directory(this.#metadata(entry.metadata)));
    } else if (entry.type === "leaf") {
      this.#put({ ...place, directory }, this.#leaf(place, entry.leaf));
    } else this.#link({ ...place, directory }, entry);
  }

  #link(place: Place, entry: LayerHardlink): void {
    const target = this.#split(entry.target);
    if (this.#rules.hardlinks === "at-end") this.#deferred.push({ place, target });
    else {
      if (this.#rules.hardlinks === "after-removal") place.directory.delete(place.name);
      this.#put(place, this.#findLeaf(target, place));
    }
  }

  #findLeaf(target: readonly ByteString[], place: Place): Leaf {
    const name = target.at(-1);
    const directory = findDirectory(this.#root, target.slice(0, -1), {
      followSymlinks: this.#rules.symlinkParents === "follow",
    });
    const inode: Inode | undefined = name === undefined ? this.#root : directory?.get(name);
    const link = shown(joinPath([...place.parts, place.name]));
    if (inode === undefined) {
      throw treeErrors.error(
        "hardlink-target-missing",
        `the target "${shown(joinPath(target))}" of the hard link "${link}" does not exist`,
      );
    }
    if (inode.kind === "directory") {
      throw treeErrors.error(
        "hardlink-target-directory",
        `the target "${shown(joinPath(target))}" of the hard link "${link}" is a directory`,
      );
    }
    return inode;
  }

  #updateDirectory(directory: Directory, given: Metadata): void {
    const metadata = this.#metadata(given);
    directory.metadata =
      this.#rules.repeatedDirectory === "add-xattrs"
        ? { ...metadata, xattrs: Xattrs.from([...directory.metadata.xattrs, ...metadata.xattrs]) }
        : metadata;
  }

  #put(place: Place, inode: Inode): void {
    const existing = place.directory.get(place.name);
    if (
      existing !== undefined &&
      this.#rules.replaceOtherKind === "refuse" &&
      (existing.kind === "directory") !== (inode.kind === "directory")
    ) {
      throw treeErrors.error(
        "entry-conflict",
        `"${shown(joinPath([...place.parts, place.name]))}" is a ${existing.kind} and a ${inode.kind} in one layer`,
      );
    }
    place.directory.set(place.name, inode);
  }

  #leaf(place: MaybePlace, leaf: Leaf): Leaf {
    if (leaf.kind === "symlink") {
      const path = (): string => shown(joinPath([...place.parts, place.name]));
      if (leaf.target.length > this.#limits.targetLength) {
        throw treeErrors.error(
          "limit-exceeded",
          `the target of "${path()}" has ${leaf.target.length} bytes, the limit is ${this.#limits.targetLength}`,
        );
      }
      if (this.#rules.escapingTargets === "refuse" && targetEscapes(place.parts, leaf.target)) {
        throw treeErrors.error(
          "path-escapes",
          `the symlink "${path()}" points out of the root: "${shown(leaf.target)}"`,
        );
      }
    }
    const metadata = this.#metadata(leaf.metadata);
    return metadata === leaf.metadata ? leaf : { ...leaf, metadata };
  }

  #metadata(metadata: Metadata): Metadata {
    const xattrs =
      this.#ignored.size === 0 ? metadata.xattrs : metadata.xattrs.filter((name) => !this.#ignored.has(name));
    const drop = this.#rules.times === "drop";
    if (xattrs === metadata.xattrs && !drop) return metadata;
    return { ...metadata, xattrs, mtime: drop ? EPOCH : metadata.mtime };
  }

  /** The directory that holds an entry; `undefined` only where a whiteout is below what is no directory. */
  #parentOf(parts: readonly ByteString[], entry: LayerEntry, lenient = false): Directory | undefined {
    const { missingParents, symlinkParents } = this.#rules;
    const owner = entry.type === "leaf" ? entry.leaf.metadata : entry.metadata;
    const made =
      missingParents === "reset"
        ? metadataOf("directory", { uid: owner.uid, gid: owner.gid })
        : this.#parentMetadata;
    let missing = 0;
    const makeDirectory = (): Directory => {
      if (missingParents === "refuse") {
        throw treeErrors.error(
          "entry-parent-missing",
          `"${shown(entry.path)}" is in a directory that does not exist`,
        );
      }
      this.#count();
      missing++;
      return new Directory(made);
    };
    let directory: Directory | undefined;
    try {
      directory = findDirectory(this.#root, parts, {
        followSymlinks: symlinkParents === "follow",
        makeDirectory,
      });
    } catch (error) {
      // A whiteout below something that is no directory hides nothing, and the overlay unpacker passes over it.
      const passOver = lenient && this.#rules.whiteoutEntries === "device";
      if (passOver && isNotDirectory(error)) return undefined;
      throw error;
    }
    if (missing > 0 && missingParents === "reset") this.#resetChain(parts, made);
    return directory;
  }

  #resetChain(parts: readonly ByteString[], metadata: Metadata): void {
    let inode: Inode | undefined = this.#root;
    for (const part of ["", ...parts] as ByteString[]) {
      if (part !== "" && inode?.kind === "directory") inode = inode.get(part);
      if (inode?.kind === "directory") inode.metadata = metadata;
    }
  }
}

interface MaybePlace {
  readonly parts: readonly ByteString[];
  readonly name: ByteString;
  readonly directory: Directory | undefined;
}

interface Place extends MaybePlace {
  readonly directory: Directory;
}

function isNotDirectory(error: unknown): boolean {
  return isStoreError(error, "tree/path-not-directory");
}
