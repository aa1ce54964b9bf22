import { type ByteString, isStoreError, Lifetime, type Log, silentLog, utf8 } from "@bootc-store/core";
import type { Dir, File } from "@bootc-store/linux";

import { containersStorageErrors } from "./errors.ts";
import { StagingDir } from "./locks/staging.ts";

/** Drivers that can be read; only overlay can be written. */
export type Driver = "overlay" | "vfs";

const KNOWN_DRIVERS = ["overlay", "vfs", "btrfs", "zfs", "aufs", "devicemapper", "windowsfilter"];

/** Parts of a graph root or run root, named for what is in them. */
export type Part = "content" | "layers" | "images" | "containers";

/** The directories of one store, opened when they are first asked for. */
export class StorePlaces implements Disposable {
  readonly driver: Driver;
  readonly readOnly: boolean;
  readonly graphRoot: Dir;
  readonly runRoot: Dir | undefined;
  /** Hears of what could not be done and does not matter to whoever asked. */
  readonly log: Log;
  /** Where containers have their lock and their records: the graph root, or for a transient store the run root. */
  readonly containersIn: "graph" | "run";
  readonly #tarSplits: Dir | undefined;
  readonly #readOnlyWhy: string;
  readonly #dirs = new Map<string, Dir>();
  readonly #lifetime = new Lifetime("store");

  /** Takes the directories over. */
  constructor(options: {
    readonly driver: Driver;
    readonly graphRoot: Dir;
    readonly runRoot: Dir | undefined;
    readonly readOnly: boolean;
    readonly log?: Log | undefined;
    readonly transient?: boolean | undefined;
    /** Where tar-splits are, if not in the directory of the layers' index: with a split image store in the graph root. */
    readonly tarSplits?: Dir | undefined;
    readonly readOnlyWhy?: string | undefined;
  }) {
    this.containersIn = options.transient === true ? "run" : "graph";
    this.#tarSplits = options.tarSplits;
    this.#readOnlyWhy = options.readOnlyWhy ?? "the store was opened for reading only";
    this.log = options.log ?? silentLog;
    this.driver = options.driver;
    this.graphRoot = options.graphRoot;
    this.runRoot = options.runRoot;
    this.readOnly = options.readOnly;
  }

  assertOpen(): void {
    this.#lifetime.assertOpen();
  }

  /** Name of a part's directory. */
  nameOf(part: Part): string {
    return part === "content" ? this.driver : `${this.driver}-${part}`;
  }

  dirOptional(part: Part, root: "graph" | "run" = "graph"): Dir | undefined {
    this.#lifetime.assertOpen();
    const key = `${root}/${part}`;
    const known = this.#dirs.get(key);
    if (known !== undefined) return known;
    const base = root === "graph" ? this.graphRoot : this.runRoot;
    const dir = base?.openDirOptional(utf8(this.nameOf(part)));
    if (dir !== undefined) this.#dirs.set(key, dir);
    return dir;
  }

  /** The directory, which is made where it is missing. */
  dir(part: Part, root: "graph" | "run" = "graph"): Dir {
    const found = this.dirOptional(part, root);
    if (found !== undefined) return found;
    this.requireWritable();
    const base = root === "graph" ? this.graphRoot : this.runRoot;
    if (base === undefined) {
      throw containersStorageErrors.error("store-read-only", "the store was opened without a run root");
    }
    base.ensureDir(utf8(this.nameOf(part)), { mode: 0o700 });
    const made = this.dirOptional(part, root);
    if (made !== undefined) return made;
    throw containersStorageErrors.error("store-not-found", `${this.nameOf(part)} went while it was opened`);
  }

  /** A layer's tar-split, open for reading. */
  openTarSplit(id: string): File | undefined {
    const dir = this.#tarSplits ?? this.dirOptional("layers");
    return dir?.openFileOptional(utf8(`${id}.tar-split.gz`));
  }

  hasTarSplit(id: string): boolean {
    const dir = this.#tarSplits ?? this.dirOptional("layers");
    return dir?.statOptional(utf8(`${id}.tar-split.gz`)) !== undefined;
  }

  /** A directory in a part that is made where it is missing, such as `l`, `tmp` and `tempdirs`. */
  subdir(part: Part, name: string, mode: number): Dir {
    const key = `graph/${part}/${name}`;
    const known = this.#dirs.get(key);
    if (known !== undefined) return known;
    const parent = this.dir(part);
    parent.ensureDir(utf8(name), { mode });
    const dir = parent.openDir(utf8(name));
    this.#dirs.set(key, dir);
    return dir;
  }

  /** A staging directory for a layer's content, or for its tar-split and items. */
  staging(part: "content" | "layers"): StagingDir {
    return StagingDir.create(this.subdir(part, part === "content" ? "tempdirs" : "tmp", 0o700), this.log);
  }

  /** The layer's own files: with overlay a directory that has `diff` in it, with vfs the diff itself. */
  layerPath(id: string): ByteString {
    return utf8(this.driver === "vfs" ? `dir/${id}` : id);
  }

  /** The layer's content. */
  diffPath(id: string): ByteString {
    return utf8(this.driver === "vfs" ? `dir/${id}` : `${id}/diff`);
  }

  requireWritable(): void {
    if (this.readOnly) {
      throw containersStorageErrors.error("store-read-only", this.#readOnlyWhy);
    }
    if (this.driver !== "overlay") {
      throw containersStorageErrors.error(
        "driver-unsupported",
        `a store with ${this.driver} cannot be written`,
      );
    }
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    for (const dir of this.#dirs.values()) dir[Symbol.dispose]();
    this.#tarSplits?.[Symbol.dispose]();
    this.runRoot?.[Symbol.dispose]();
    this.graphRoot[Symbol.dispose]();
  }
}

/**
 * The driver whose directories a graph root has; `undefined` if it has none. Throws
 * `containers-storage/driver-unsupported` for one that is not read, or for several.
 */
export function detectDriver(graphRoot: Dir): Driver | undefined {
  const found = KNOWN_DRIVERS.filter((driver) => {
    if (graphRoot.statOptional(utf8(`${driver}-images`))?.type === "directory") return true;
    return (
      graphRoot.statOptional(utf8(`${driver}-layers`))?.type === "directory" || hasEntries(graphRoot, driver)
    );
  });
  if (found.length === 0) return undefined;
  if (found.length > 1) {
    throw containersStorageErrors.error(
      "driver-unsupported",
      `the graph root has the directories of several drivers: ${found.join(", ")}`,
      { hint: "Name the one that is meant." },
    );
  }
  const [driver] = found;
  if (driver === "overlay" || driver === "vfs") return driver;
  throw containersStorageErrors.error("driver-unsupported", `the graph root has the driver ${driver}`);
}

function hasEntries(graphRoot: Dir, name: string): boolean {
  try {
    using dir = graphRoot.openDirOptional(utf8(name));
    return dir !== undefined && dir.list().length > 0;
  } catch (error) {
    if (isStoreError(error, "linux/not-a-directory", "linux/path-symlink")) return false;
    throw error;
  }
}
