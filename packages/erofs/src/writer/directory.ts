import { BLOCK_SIZE } from "../layout.ts";
import type { Entry } from "./prepare.ts";

const DIRENT_SIZE = 12;

/** How a directory's entries are divided among blocks. */
export interface PackedDirectory {
  readonly blocks: readonly (readonly Entry[])[];
  /** The entries behind the inode. */
  readonly tail: readonly Entry[];
  readonly tailSize: number;
}

/** Blocks are filled in order; what is left goes behind the inode if it is at most half a block. */
export function packDirectory(entries: readonly Entry[]): PackedDirectory {
  const blocks: Entry[][] = [];
  let open: Entry[] = [];
  let size = 0;
  for (const entry of entries) {
    const cost = DIRENT_SIZE + entry.name.length;
    if (size + cost > BLOCK_SIZE) {
      blocks.push(open);
      open = [];
      size = 0;
    }
    open.push(entry);
    size += cost;
  }
  if (size > BLOCK_SIZE / 2) {
    blocks.push(open);
    return { blocks, tail: [], tailSize: 0 };
  }
  return { blocks, tail: open, tailSize: size };
}
