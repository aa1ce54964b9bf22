import { failure } from "../failure.ts";
import { declareCalls, lastErrno, libc } from "../ffi.ts";
import type { File } from "../file.ts";

const native = declareCalls<{ ioctl(fd: number, request: number, argument: Uint8Array): number }>({
  ioctl: libc("ioctl", "int, ulong, void *"),
});

const BLKROGET = 0x125e;
const BLKGETSIZE64 = 0x8008_1272;

/** Whether a block device is read-only by its own flag (BLKROGET), as lsblk's `RO` tells. */
export function blockDeviceReadOnly(device: File): boolean {
  const value = Buffer.alloc(4);
  if (native.ioctl(device.fd, BLKROGET, value) !== 0)
    throw failure("ioctl BLKROGET", lastErrno(), device.label);
  return value.readInt32LE(0) !== 0;
}

/** Bytes of a block device (BLKGETSIZE64). */
export function blockDeviceSize(device: File): number {
  const value = Buffer.alloc(8);
  if (native.ioctl(device.fd, BLKGETSIZE64, value) !== 0) {
    throw failure("ioctl BLKGETSIZE64", lastErrno(), device.label);
  }
  return Number(value.readBigUInt64LE(0));
}

const FS_IOC_GETFLAGS = 0x8008_6601;
const FS_IOC_SETFLAGS = 0x4008_6602;

/** Inode flags (chattr(1)), of which the stores use `immutable`: ostree sets it on a deployment's directory. */
export const INODE_FLAGS = { immutable: 0x10, append: 0x20, noDump: 0x40, noAtime: 0x80 } as const;

export type InodeFlag = keyof typeof INODE_FLAGS;

/** The flags that are set (FS_IOC_GETFLAGS). `linux/call-unsupported` where the file system has none. */
export function inodeFlags(file: File): InodeFlag[] {
  const bits = rawFlags(file);
  return (Object.keys(INODE_FLAGS) as InodeFlag[]).filter((flag) => (bits & INODE_FLAGS[flag]) !== 0);
}

/** Sets or clears one flag, keeping the others (FS_IOC_SETFLAGS). Says whether that changed anything. */
export function setInodeFlag(file: File, flag: InodeFlag, on: boolean): boolean {
  const before = rawFlags(file);
  const after = on ? before | INODE_FLAGS[flag] : before & ~INODE_FLAGS[flag];
  if (after === before) return false;
  const value = Buffer.alloc(8);
  value.writeUInt32LE(after >>> 0, 0);
  if (native.ioctl(file.fd, FS_IOC_SETFLAGS, value) !== 0) {
    throw failure("ioctl FS_IOC_SETFLAGS", lastErrno(), file.label);
  }
  return true;
}

/** The kernel writes 32 bits although the number says 64. */
function rawFlags(file: File): number {
  const value = Buffer.alloc(8);
  if (native.ioctl(file.fd, FS_IOC_GETFLAGS, value) !== 0) {
    throw failure("ioctl FS_IOC_GETFLAGS", lastErrno(), file.label);
  }
  return value.readUInt32LE(0);
}
