import { erofsErrors } from "../errors.ts";
import { S_IFLNK, S_IFREG, typeOf } from "../image/node.ts";
import {
  BLOCK_SIZE,
  INODES_OFFSET,
  LAYOUT_CHUNKED,
  LAYOUT_INLINE,
  LAYOUT_PLAIN,
  roundUp,
  SLOT_SIZE,
} from "../layout.ts";
import { packDirectory } from "./directory.ts";
import { type Inode, linkCount } from "./prepare.ts";
import type { WriterRules } from "./rules.ts";
import type { XattrTable } from "./xattrs.ts";

/** Where an inode goes and how large its parts are. */
export interface Placed {
  readonly inode: Inode;
  readonly nlink: number;
  /** Of the size field. */
  readonly size: bigint;
  readonly compact: boolean;
  /** Bytes of header and attributes. */
  readonly headSize: number;
  /** Bytes behind them. */
  readonly tail: number;
  readonly blocks: number;
  readonly layout: number;
  /** Bits of a chunk's size of a file whose bytes are elsewhere. */
  readonly chunkFormat: number | undefined;
  readonly offset: number;
}

export interface Placement {
  readonly placed: readonly Placed[];
  /** Where the shared attributes begin. */
  readonly inodesEnd: number;
  readonly minMtime: { readonly sec: bigint; readonly nsec: number };
}

interface Shape {
  readonly size: bigint;
  readonly blocks: number;
  readonly tail: number;
  readonly layout: number;
  readonly chunkFormat: number | undefined;
}

/** Places all inodes of an image. Throws `erofs/file-too-large`. */
export function placeInodes(
  inodes: readonly Inode[],
  xattrs: XattrTable,
  rules: WriterRules,
  version: 0 | 1 | 2,
): Placement {
  const minMtime = leastTime(inodes, rules);
  const placed: Placed[] = [];
  let at = INODES_OFFSET;
  for (const inode of inodes) {
    const shape = version === 2 ? shapeV2(inode) : shapeV1(inode, rules);
    const nlink = linkCount(inode);
    const compact = version !== 2 && isCompact(inode, nlink, shape.size, minMtime, rules);
    const headSize = (compact ? 32 : 64) + xattrs.areaOf(inode).size;
    const place =
      version === 2
        ? { ...shape, offset: paddedV2(roundUp(at, SLOT_SIZE), headSize, shape) }
        : paddedV1(roundUp(at, SLOT_SIZE), headSize, shape, typeOf(inode) === S_IFLNK);
    placed.push({ inode, nlink, compact, headSize, ...place });
    at = place.offset + headSize + place.tail;
  }
  return { placed, inodesEnd: roundUp(at, SLOT_SIZE), minMtime };
}

function leastTime(inodes: readonly Inode[], rules: WriterRules): { sec: bigint; nsec: number } {
  const key = (sec: bigint): bigint => (rules.signedTimes ? sec : BigInt.asUintN(64, sec));
  let least: { sec: bigint; nsec: number } | undefined;
  let leastKey = 0n;
  for (const { node } of inodes) {
    const { mtime } = node;
    const { sec, nsec } = mtime;
    if (least !== undefined && sec === least.sec) {
      if (nsec < least.nsec) least = mtime;
      continue;
    }
    const own = key(sec);
    if (least !== undefined && own >= leastKey) continue;
    least = mtime;
    leastKey = own;
  }
  return least ?? { sec: 0n, nsec: 0 };
}

function isCompact(
  { node, escaped, entries }: Inode,
  nlink: number,
  size: bigint,
  least: { readonly sec: bigint; readonly nsec: number },
  rules: WriterRules,
): boolean {
  // The C writer looks at the size that was recorded, although it writes none for a device or a pipe.
  const recorded = rules.sizeOfDevices && entries === undefined && !escaped ? node.size : size;
  return (
    node.mtime.sec === least.sec &&
    node.mtime.nsec === least.nsec &&
    nlink <= 0xffff &&
    node.uid <= 0xffff &&
    node.gid <= 0xffff &&
    recorded <= 0xffff_ffffn
  );
}

const EMPTY_SHAPE: Shape = { size: 0n, blocks: 0, tail: 0, layout: LAYOUT_PLAIN, chunkFormat: undefined };

function shapeV1(inode: Inode, rules: WriterRules): Shape {
  const { node, entries, escaped } = inode;
  if (entries !== undefined) return directoryShape(inode);
  if (escaped) return EMPTY_SHAPE;
  if (node.target !== undefined) return tailShape(node.target.length, 0);
  if (node.content !== undefined) {
    const length = node.content.length;
    const rest = length % BLOCK_SIZE;
    const whole = Math.floor(length / BLOCK_SIZE);
    if (length === 0) return EMPTY_SHAPE;
    return rest > BLOCK_SIZE / 2
      ? { ...tailShape(0, whole + 1), size: BigInt(length) }
      : { ...tailShape(rest, whole), size: BigInt(length) };
  }
  if (node.external !== undefined && typeOf(node) === S_IFREG) {
    const { bits, count } = chunksOf(node.size);
    if (count > rules.chunkLimit) {
      throw erofsErrors.error("file-too-large", `a file of ${node.size} bytes is too large for an image`);
    }
    return { size: node.size, blocks: 0, tail: 4 * count, layout: LAYOUT_CHUNKED, chunkFormat: bits - 12 };
  }
  return EMPTY_SHAPE;
}

function shapeV2(inode: Inode): Shape {
  const { node, entries } = inode;
  if (entries !== undefined) return directoryShape(inode);
  if (node.target !== undefined) return tailShape(node.target.length, 0, LAYOUT_INLINE);
  if (node.external !== undefined) {
    const tail = node.external.digest === undefined ? 0 : 4;
    return { size: node.size, blocks: 0, tail, layout: LAYOUT_CHUNKED, chunkFormat: 31 };
  }
  return tailShape(node.content?.length ?? 0, 0);
}

function tailShape(tail: number, blocks: number, layout = tail > 0 ? LAYOUT_INLINE : LAYOUT_PLAIN): Shape {
  return { size: BigInt(tail), blocks, tail, layout, chunkFormat: undefined };
}

function directoryShape({ entries = [] }: Inode): Shape {
  const { blocks, tailSize } = packDirectory(entries);
  return { ...tailShape(tailSize, blocks.length), size: BigInt(blocks.length * BLOCK_SIZE + tailSize) };
}

/** In 64 bits and without a carry, as C computes it. */
function chunksOf(size: bigint): { readonly bits: number; readonly count: number } {
  const last = BigInt.asUintN(64, size - 1n);
  const bits = Math.min(43, Math.max(12, size === 0n ? 0 : last.toString(2).length));
  const count = BigInt.asUintN(64, size + (1n << BigInt(bits)) - 1n) >> BigInt(bits);
  return { bits, count: Number(count) };
}

/** A tail must lie in one block; where it does not, the inode moves, or what was to be the tail gets a block. */
function paddedV1(
  at: number,
  headSize: number,
  shape: Shape,
  isSymlink: boolean,
): Shape & { readonly offset: number } {
  const { tail } = shape;
  if (isSymlink) {
    // Old kernels want all of a symlink's inode in one block.
    const total = headSize + tail;
    const crosses = Math.floor(at / BLOCK_SIZE) !== Math.floor((at + total - 1) / BLOCK_SIZE);
    const offset = crosses ? roundUp(at, BLOCK_SIZE) : at;
    return total >= BLOCK_SIZE
      ? { ...shape, blocks: 1, tail: 0, layout: LAYOUT_PLAIN, offset }
      : { ...shape, offset };
  }
  if (tail === 0) return { ...shape, offset: at };
  const rest = BLOCK_SIZE - ((at + headSize) % BLOCK_SIZE);
  if (rest >= tail) return { ...shape, offset: at };
  const extra = roundUp(rest, SLOT_SIZE);
  if (tail <= BLOCK_SIZE - ((at + headSize + extra) % BLOCK_SIZE)) return { ...shape, offset: at + extra };
  const layout = shape.layout === LAYOUT_CHUNKED ? LAYOUT_CHUNKED : LAYOUT_PLAIN;
  return { ...shape, blocks: shape.blocks + 1, tail: 0, layout, offset: roundUp(at, BLOCK_SIZE) };
}

function paddedV2(at: number, headSize: number, shape: Shape): number {
  if (shape.layout !== LAYOUT_INLINE) return at;
  const lastOfHead = at + headSize - 1;
  const end = at + headSize + Number(shape.size % BigInt(BLOCK_SIZE));
  if (Math.floor(lastOfHead / BLOCK_SIZE) === Math.floor(end / BLOCK_SIZE)) return at;
  return roundUp(at + BLOCK_SIZE - (lastOfHead % BLOCK_SIZE), SLOT_SIZE);
}
