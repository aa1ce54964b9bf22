import { tryFiemap } from "./calls/clone.ts";
import { failure } from "./failure.ts";
import type { File } from "./file.ts";

/** A run of a file's bytes and where it lies on the device. */
export interface Extent {
  readonly logical: number;
  /** Byte on the device; means nothing where `flags` say unknown, delayed or inline. */
  readonly physical: number;
  readonly length: number;
  /** FIEMAP_EXTENT_* of linux/fiemap.h. */
  readonly flags: number;
  /** Its blocks belong to other files, or other places of this one, as well. */
  readonly shared: boolean;
}

const FIEMAP_FLAG_SYNC = 1;
const EXTENT_LAST = 0x1;
const EXTENT_SHARED = 0x2000;
const BATCH = 256;
const HEADER = 32;
const EXTENT = 56;

/**
 * The extents of a file in order (ioctl FIEMAP), after its delayed blocks were written so that they have a place.
 * `linux/call-unsupported` on tmpfs, overlay and others that do not keep extents.
 */
export function readExtents(file: File): Extent[] {
  const extents: Extent[] = [];
  const request = Buffer.alloc(HEADER + BATCH * EXTENT);
  for (let start = 0n; ;) {
    request.fill(0);
    request.writeBigUInt64LE(start, 0);
    request.writeBigUInt64LE(0xffff_ffff_ffff_ffffn - start, 8);
    request.writeUInt32LE(FIEMAP_FLAG_SYNC, 16);
    request.writeUInt32LE(BATCH, 24);
    const result = tryFiemap(file.fd, request);
    if (result < 0) throw failure("ioctl FIEMAP", -result, file.label);
    const count = request.readUInt32LE(20);
    for (let index = 0; index < count; index++) {
      const at = HEADER + index * EXTENT;
      const flags = request.readUInt32LE(at + 40);
      const logical = request.readBigUInt64LE(at);
      const length = request.readBigUInt64LE(at + 16);
      extents.push({
        logical: Number(logical),
        physical: Number(request.readBigUInt64LE(at + 8)),
        length: Number(length),
        flags,
        shared: (flags & EXTENT_SHARED) !== 0,
      });
      start = logical + length;
      if ((flags & EXTENT_LAST) !== 0) return extents;
    }
    if (count === 0) return extents;
  }
}

/** How many bytes of the file lie in extents that others have too. */
export function sharedBytes(file: File): number {
  return readExtents(file).reduce((total, extent) => total + (extent.shared ? extent.length : 0), 0);
}
