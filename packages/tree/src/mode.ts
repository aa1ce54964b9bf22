import { treeErrors } from "./errors.ts";

/** The seven types of inode. */
export type InodeKind = "directory" | "file" | "symlink" | "char" | "block" | "fifo" | "socket";

/** The mask of the type bits in a mode. */
export const S_IFMT = 0o170000;

/** The type bits of each kind, as `stat` gives them. */
export const TYPE_BITS: { readonly [K in InodeKind]: number } = Object.freeze({
  socket: 0o140000,
  symlink: 0o120000,
  file: 0o100000,
  block: 0o060000,
  directory: 0o040000,
  char: 0o020000,
  fifo: 0o010000,
});

const KINDS: { readonly [bits: number]: InodeKind } = Object.fromEntries(
  Object.entries(TYPE_BITS).map(([kind, bits]) => [bits, kind as InodeKind]),
);

/** The kind that a full mode says, or `undefined` if its type bits are of no kind. */
export function kindOfMode(mode: number): InodeKind | undefined {
  return KINDS[mode & S_IFMT];
}

/** A full mode of 16 bits from a kind and twelve permission bits; `tree/metadata-invalid` if there are others. */
export function modeOf(kind: InodeKind, permissions: number): number {
  if (!Number.isInteger(permissions) || permissions < 0 || permissions > 0o7777) {
    throw treeErrors.error("metadata-invalid", `not permission bits: ${permissions}`);
  }
  return TYPE_BITS[kind] | permissions;
}
