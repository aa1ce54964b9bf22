import type { BackendKind, OperationOptions } from "@bootc-store/core";

/** How much a store holds. Each inode is counted once. */
export interface Usage {
  readonly kind: BackendKind;
  /** Sum of the sizes that files say they have. */
  readonly apparentBytes: number;
  /** Sum of the blocks that are allocated to them, clones counted in full. */
  readonly allocatedBytes: number;
  /** Of those, bytes in extents that are shared with another file; absent where the file system cannot say. */
  readonly sharedBytes?: number;
  readonly inodes: number;
  /** The same by part of the store: "objects", "layers", "metadata". */
  readonly parts: readonly {
    readonly name: string;
    readonly apparentBytes: number;
    readonly inodes: number;
  }[];
}

export interface UsageOptions extends OperationOptions {
  /** Ask for the extents of each file, which costs a system call a file. */
  readonly extents?: boolean;
}
