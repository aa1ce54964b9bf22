// What the stores of a root take together, counted where it lies: clones and links of one content are one place on disk.

import type { BackendKind, OperationOptions } from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";

import type { ExistingStores } from "./existing-stores.ts";
import { collectExtents } from "./extents-task.ts";
import { overlapOf } from "./overlap.ts";

export interface StoreDiskUse {
  readonly kind: BackendKind;
  readonly inodes: number;
  /** Sum of the sizes that files say they have. */
  readonly apparentBytes: number;
  /** Sum of the blocks of its inodes, clones counted in full each time, directories included. */
  readonly allocatedBytes: number;
  /** Contents of its files on disk, each place once. */
  readonly onDiskBytes: number;
  /** Of those, what another store has too; `undefined` where the file system cannot say. */
  readonly sharedBytes?: number;
  /** What goes when the store goes. */
  readonly exclusiveBytes?: number;
}

export interface DiskUse {
  readonly stores: readonly StoreDiskUse[];
  /** Contents of all stores on disk, each place once. */
  readonly onDiskBytes: number;
  /** What they would take without sharing among them. */
  readonly separateBytes: number;
  /** Whether the file system says where files lie (not so on tmpfs and overlay); if not, nothing is known to be shared. */
  readonly extents: boolean;
}

/** Looks at every file of every store, on workers. */
export async function diskUse(
  stores: ExistingStores,
  pool: Pool,
  options: OperationOptions = {},
): Promise<DiskUse> {
  const { signal } = options;
  const found = await Promise.all(
    stores.all.map(({ dir }) =>
      pool.run(collectExtents, { dir: dir.fd }, signal === undefined ? {} : { signal }),
    ),
  );
  // Places on two devices cannot be compared, and stores of one root are on one.
  const devices = new Set(
    stores.all.map(({ dir }) => {
      const { dev } = dir.statSelf();
      return `${dev.major}:${dev.minor}`;
    }),
  );
  const known = devices.size <= 1 && found.every((each) => each.known);
  const overlap = overlapOf(found.map(({ placed }) => placed));
  const rows = found.map((each, at): StoreDiskUse => {
    const { covered, exclusive } = overlap.sets[at] as (typeof overlap.sets)[number];
    const common = {
      kind: (stores.all[at] as (typeof stores.all)[number]).kind,
      inodes: each.inodes,
      apparentBytes: each.apparent,
      allocatedBytes: each.allocated,
    };
    if (!known) return { ...common, onDiskBytes: each.allocated };
    return {
      ...common,
      onDiskBytes: covered + each.unplaced,
      sharedBytes: covered - exclusive,
      exclusiveBytes: exclusive + each.unplaced,
    };
  });
  const unplaced = found.reduce((sum, each) => sum + each.unplaced, 0);
  const separate = rows.reduce((sum, each) => sum + each.onDiskBytes, 0);
  return {
    stores: rows,
    onDiskBytes: known ? overlap.total + unplaced : separate,
    separateBytes: separate,
    extents: known,
  };
}
