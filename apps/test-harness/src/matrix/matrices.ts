import type { FileSystemKind } from "@bootc-store/lab";

/** Which file systems a scenario runs on when it names none of its own. */
export interface Matrix {
  filesystems: readonly FileSystemKind[];
  /** How many seeds, counted up from the one given. */
  seeds: number;
}

export const matrices = {
  /** A few minutes: one file system without reflinks, one with. */
  quick: { filesystems: ["ext4", "xfs"], seeds: 1 },
  default: { filesystems: ["tmpfs", "ext4", "xfs", "btrfs"], seeds: 1 },
  nightly: { filesystems: ["tmpfs", "ext4", "ext4-verity", "xfs", "btrfs"], seeds: 5 },
} as const satisfies Record<string, Matrix>;

export type MatrixName = keyof typeof matrices;
export const matrixNames = Object.keys(matrices) as MatrixName[];
