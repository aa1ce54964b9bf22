import type { ByteString } from "@bootc-store/core";
import { type Dir, fileKey } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { decodeDirtree, type Dirtree, type DirtreeDir } from "../format/dirtree.ts";
import { decodeDirmeta, type FileInfo } from "../format/file-info.ts";
import type { ObjectReader } from "../objects/reader.ts";
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
import { type FileRules, type HowCheckedOut, placeFile, placeLink } from "./file.ts";

/** A directory that is there, to be filled and finished. */
export interface LinkUnit {
  /** Relative to the destination; empty for itself. */
  readonly path: ByteString | "";
  readonly tree: Checksum;
  /** Only of one that was made. */
  readonly meta: Checksum | undefined;
}

export interface LinkCounts {
  readonly how: { [how in HowCheckedOut]: number };
  directories: number;
}

/** A directory that is being filled: its files are there, some of its directories are not. */
interface Frame {
  readonly unit: LinkUnit;
  readonly dir: Dir;
  readonly left: Iterator<readonly [ByteString, DirtreeDir]>;
}

/** Puts links to objects into directories, which it makes; everything on the thread that it is on. */
export class LinkWalk {
  readonly #reader: ObjectReader;
  readonly #top: Dir;
  readonly #files: FileRules;
  readonly #rules: DirectoryRules;
  readonly #metas = new Map<Checksum, FileInfo>();
  /** From the unit down to where the walk is. */
  #frames: Frame[] = [];
  readonly counts: LinkCounts = { how: { linked: 0, cloned: 0, copied: 0, kept: 0 }, directories: 0 };
  /** The inodes that were linked, where they are wanted. */
  readonly devino: (readonly [key: string, checksum: Checksum])[] | undefined;

  /** @param reader and top stay the caller's. */
  constructor(reader: ObjectReader, top: Dir, files: FileRules, rules: DirectoryRules, devino: boolean) {
    this.#reader = reader;
    this.#top = top;
    this.#files = files;
    this.#rules = rules;
    this.devino = devino ? [] : undefined;
  }

  /** Names that were placed. */
  get placed(): number {
    const { linked, cloned, copied, kept } = this.counts.how;
    return linked + cloned + copied + kept + this.counts.directories;
  }

  /** Fills a directory; `between` is called before each directory in it. */
  async run(unit: LinkUnit, between: () => void | Promise<void>): Promise<void> {
    try {
      await this.#open(unit.path === "" ? this.#top.duplicate() : this.#top.openDir(unit.path), unit);
      for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
        const waits = between();
        if (waits !== undefined) await waits;
        const child = this.#make(frame);
        if (child === undefined) this.#close(frame);
        else await this.#open(frame.dir.openDir(child.name), child.unit);
      }
    } finally {
      for (const { dir } of this.#frames) dir[Symbol.dispose]();
      this.#frames = [];
    }
  }

  /** Makes the next directory at the top of what is being walked, for somebody else to fill; `undefined` if none is left. */
  giveAway(): LinkUnit | undefined {
    for (const frame of this.#frames) {
      const child = this.#make(frame);
      if (child !== undefined) return child.unit;
    }
    return undefined;
  }

  #make({ dir, unit, left }: Frame): { readonly name: ByteString; readonly unit: LinkUnit } | undefined {
    for (let next = left.next(); next.done !== true; next = left.next()) {
      const [name, { tree, meta }] = next.value;
      const path = pathBelow(unit.path, name);
      if (isSkipped(this.#rules, path)) continue;
      const opaque = this.#rules.whiteouts ? this.#readTree(tree) : undefined;
      const made = enterDir(dir, name, opaque, this.#files, this.#rules);
      return { name, unit: { path, tree, meta: made ? meta : undefined } };
    }
    return undefined;
  }

  async #open(dir: Dir, unit: LinkUnit): Promise<void> {
    let tree: Dirtree;
    try {
      if (this.#frames.length > MAX_DEPTH)
        throw ostreeErrors.error("tree-cycle", `${unit.tree}: too many directories in one another`);
      this.counts.directories++;
      tree = this.#readTree(unit.tree);
    } catch (error) {
      dir[Symbol.dispose]();
      throw error;
    }
    this.#frames.push({ unit, dir, left: tree.dirs[Symbol.iterator]() });
    const { how } = this.counts;
    for (const [name, checksum] of takeMarks(dir, unit.path, tree, this.#rules, (mark, object) =>
      placeWhiteout(this.#reader, dir, mark, object, this.#files.userMode, () => undefined),
    )) {
      const done =
        placeLink(this.#reader, dir, name, checksum, this.#files) ??
        (await placeFile(this.#reader, dir, name, checksum, this.#files));
      how[done]++;
      if (done === "linked") this.devino?.push([fileKey(dir.stat(name)), checksum]);
    }
  }

  #close({ dir, unit: { meta } }: Frame): void {
    if (meta !== undefined) {
      let info = this.#metas.get(meta);
      if (info === undefined) {
        info = decodeDirmeta(this.#reader.readMetadata(meta, "dirmeta"), `${meta}.dirmeta`);
        this.#metas.set(meta, info);
      }
      finishDir(dir, info, this.#files, this.#rules);
    }
    dir[Symbol.dispose]();
    this.#frames.pop();
  }

  #readTree(checksum: Checksum): Dirtree {
    return decodeDirtree(this.#reader.readMetadata(checksum, "dirtree"), `${checksum}.dirtree`);
  }
}
