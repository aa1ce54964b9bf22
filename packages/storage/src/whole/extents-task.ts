import { isStoreError } from "@bootc-store/core";
import { defineTask, Dir, fileKey, readExtents, throwIfCancelled } from "@bootc-store/linux";

/** What one store takes, file by file. Crosses from a worker. */
export interface StoreExtents {
  /** Beginning and end of each extent on the device, in bytes, one pair after another. */
  readonly placed: Float64Array;
  /** Bytes in extents that have no place of their own: inline in the inode, or not written yet. */
  readonly unplaced: number;
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
  ({ dir }: { readonly dir: number }, context): StoreExtents => {
    const seen = new Set<string>();
    let placed = new Float64Array(1 << 12);
    let used = 0;
    let [unplaced, apparent, allocated, inodes] = [0, 0, 0, 0];
    let known = true;
    for (const entry of Dir.borrow(dir, "store").walk({ crossMounts: false, onError() {} })) {
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
            unplaced += length;
            continue;
          }
          if (used + 2 > placed.length) {
            const larger = new Float64Array(placed.length * 2);
            larger.set(placed);
            placed = larger;
          }
          placed[used++] = physical;
          placed[used++] = physical + length;
        }
      } catch (error) {
        if (!isStoreError(error, "linux/call-unsupported")) throw error;
        known = false;
      }
    }
    const extents = placed.slice(0, used);
    context.transfer(extents.buffer);
    return { placed: extents, unplaced, apparent, allocated, inodes, known };
  },
);
