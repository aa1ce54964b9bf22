import { type ByteString, isStoreError } from "@bootc-store/core";
import { defineTask, Dir, fileKey, readExtents, throwIfCancelled } from "@bootc-store/linux";

/** What one store takes, file by file. Crosses from a worker. */
export interface StoreExtents {
  /** Beginning and end of each extent on the device, in bytes, one pair after another. */
  readonly placed: Float64Array;
  /** Number of the file that each extent is of. */
  readonly fileOf: Uint32Array;
  /** Every inode that is no directory, by its first name. */
  readonly paths: readonly ByteString[];
  /** Of each file: its size, and its bytes in extents without a place of their own: inline in the inode, or not written yet. */
  readonly sizes: Float64Array;
  readonly unplaced: Float64Array;
  readonly blocks: Float64Array;
  readonly apparent: number;
  readonly allocated: number;
  readonly inodes: number;
  /** False where the file system does not say where files lie. */
  readonly known: boolean;
}

/** FIEMAP flags of extents whose place means nothing: unknown, delayed, inline, tail. */
const WITHOUT_PLACE = 0x2 | 0x4 | 0x200 | 0x400;

const BLOCK = 4096;

/** Walks a directory and asks for the extents of every regular file, each inode once. Other file systems are not entered. */
export const collectExtents = defineTask(
  import.meta.url,
  "collectExtents",
  (
    { dir, without }: { readonly dir: number; /** A path that is left out. */ readonly without?: ByteString },
    context,
  ): StoreExtents => {
    const seen = new Set<string>();
    const placed: number[] = [];
    const fileOf: number[] = [];
    const paths: ByteString[] = [];
    const [sizes, unplaced, blocks]: [number[], number[], number[]] = [[], [], []];
    let [apparent, allocated, inodes] = [0, 0, 0];
    let known = true;
    const entries = Dir.borrow(dir, "store").walk({
      crossMounts: false,
      onError() {},
      descend: ({ path }) => path !== without,
    });
    for (const entry of entries) {
      if (entry.path === without) continue;
      if ((inodes & 0xff) === 0) throwIfCancelled(context.signal);
      const stat = entry.dir.statOptional(entry.name);
      if (stat === undefined) continue;
      if (stat.nlink > 1 && stat.type !== "directory") {
        if (seen.has(fileKey(stat))) continue;
        seen.add(fileKey(stat));
      }
      inodes++;
      apparent += stat.size;
      allocated += stat.blocks * 512;
      if (stat.type === "directory") continue;
      const number = paths.push(entry.path) - 1;
      sizes.push(stat.size);
      blocks.push(stat.blocks * 512);
      unplaced.push(0);
      if (!known || entry.type !== "regular" || stat.blocks === 0) continue;
      try {
        using file = entry.dir.openFileOptional(entry.name);
        if (file === undefined) continue;
        // What a file system holds ready beyond the end goes by itself.
        const end = Math.ceil(stat.size / BLOCK) * BLOCK;
        for (const { logical, physical, length: whole, flags } of readExtents(file)) {
          const length = Math.min(whole, end - logical);
          if (length <= 0) continue;
          if ((flags & WITHOUT_PLACE) !== 0) {
            unplaced[number] = (unplaced[number] ?? 0) + length;
            continue;
          }
          placed.push(physical, physical + length);
          fileOf.push(number);
        }
      } catch (error) {
        if (!isStoreError(error, "linux/call-unsupported")) throw error;
        known = false;
      }
    }
    return {
      placed: Float64Array.from(placed),
      fileOf: Uint32Array.from(fileOf),
      paths,
      sizes: Float64Array.from(sizes),
      unplaced: Float64Array.from(unplaced),
      blocks: Float64Array.from(blocks),
      apparent,
      allocated,
      inodes,
      known,
    };
  },
);
