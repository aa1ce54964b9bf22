import {
  AT_EMPTY_PATH,
  AT_NO_AUTOMOUNT,
  AT_SYMLINK_NOFOLLOW,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../constants.ts";
import { failure } from "../failure.ts";
import { declareCalls, lastErrno, libc, syscall } from "../ffi.ts";
import { EMPTY_PATH, nativePath } from "../native-path.ts";
import { plainly, plainStatAt, plainStatFd } from "../plain.ts";

const native = declareCalls<{
  statx(dir: number, path: Uint8Array, flags: number, mask: number, out: Uint8Array): number;
  fstatfs(fd: number, out: Uint8Array): number;
}>({
  statx: syscall({ x64: 332, arm64: 291 }, "int, const void *, int, uint, void *"),
  fstatfs: libc("fstatfs", "int, void *"),
});

export type FileType =
  | "regular"
  | "directory"
  | "symlink"
  | "character"
  | "block"
  | "fifo"
  | "socket"
  /** A kind of file that Linux does not have today. */
  | "unknown";

/** The S_IFMT bits of a mode, as a word. */
export function fileTypeOf(mode: number): FileType {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "regular";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "character";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

/** A time as the kernel keeps it: seconds since 1970, may be negative, and nanoseconds 0 to 999999999 after it. */
export interface TimeSpec {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** What statx(2) tells of a file. */
export interface FileStat {
  readonly type: FileType;
  /** All of st_mode: type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Units of 512 bytes that the file takes. */
  readonly blocks: number;
  readonly blockSize: number;
  /** Unique on its device while the file exists; the whole 64 bits are in use on overlayfs. */
  readonly ino: bigint;
  readonly dev: DeviceNumber;
  /** The device that a device node stands for. */
  readonly rdev: DeviceNumber;
  readonly atime: TimeSpec;
  readonly mtime: TimeSpec;
  readonly ctime: TimeSpec;
  /** Time of creation, where the file system keeps it. */
  readonly btime: TimeSpec | undefined;
  /** The mount that the file was reached through, as in /proc/self/mountinfo. */
  readonly mountId: number | undefined;
  /** STATX_ATTR bits that are set, and those that the file system can tell. See {@link hasAttribute}. */
  readonly attributes: number;
  readonly attributesMask: number;
}

export const FILE_ATTRIBUTES = {
  compressed: 0x4,
  immutable: 0x10,
  append: 0x20,
  nodump: 0x40,
  encrypted: 0x800,
  automount: 0x1000,
  "mount-root": 0x2000,
  verity: 0x100000,
  dax: 0x200000,
} as const;

export type FileAttribute = keyof typeof FILE_ATTRIBUTES;

/** Whether the attribute is set; `undefined` where the file system does not tell. */
export function hasAttribute(stat: FileStat, attribute: FileAttribute): boolean | undefined {
  const bit = FILE_ATTRIBUTES[attribute];
  return (stat.attributesMask & bit) === 0 ? undefined : (stat.attributes & bit) !== 0;
}

const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const STATX_MNT_ID = 0x1000;
const MASK = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;

/** `struct statx`, 256 bytes. */
const out = Buffer.alloc(256);

/**
 * statx(2) of a name in a directory, without following a symbolic link and without triggering automounts.
 * Returns the negated errno on failure.
 */
export function tryStatAt(dir: number, name: string): FileStat | number {
  if (native.statx(dir, nativePath(name), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, MASK, out) !== 0) {
    return -lastErrno();
  }
  return decodeStatx(out);
}

/** The type bits and permissions of a name, or the negated errno: for when nothing else is asked. */
export function tryModeAt(dir: number, name: string): number {
  if (plainly()) {
    const found = plainStatAt(dir, name);
    return typeof found === "number" ? found : found.mode;
  }
  if (native.statx(dir, nativePath(name), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0x3, out) !== 0) {
    return -lastErrno();
  }
  return out.readUInt16LE(28);
}

/** statx(2) of an open descriptor, an `O_PATH` one included. */
export function statFd(fd: number, subject = `descriptor ${fd}`): FileStat {
  if (native.statx(fd, EMPTY_PATH, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, MASK, out) !== 0) {
    throw failure("statx", lastErrno(), subject);
  }
  return decodeStatx(out);
}

/** Only the type and size of an open file, for less than half of what {@link statFd} costs. */
export function typeAndSize(
  fd: number,
  subject = `descriptor ${fd}`,
): { readonly type: FileType; readonly size: number } {
  if (plainly()) {
    const found = plainStatFd(fd);
    if (typeof found === "number") throw failure("statx", -found, subject);
    return { type: fileTypeOf(found.mode), size: found.size };
  }
  if (native.statx(fd, EMPTY_PATH, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0x201, out) !== 0) {
    throw failure("statx", lastErrno(), subject);
  }
  return {
    type: fileTypeOf(out.readUInt16LE(28)),
    size: out.readUInt32LE(40) + out.readUInt32LE(44) * 0x1_0000_0000,
  };
}

/** Whether two descriptions are of one file. */
export function sameFile(a: FileStat, b: FileStat): boolean {
  return a.ino === b.ino && a.dev.minor === b.dev.minor && a.dev.major === b.dev.major;
}

/** A string that is the same for two files only if they are one. */
export function fileKey(stat: FileStat): string {
  return `${stat.dev.major}:${stat.dev.minor}:${stat.ino}`;
}

function decodeStatx(b: Buffer): FileStat {
  const mask = b.readUInt32LE(0);
  const mode = b.readUInt16LE(28);
  return {
    type: fileTypeOf(mode),
    mode,
    nlink: b.readUInt32LE(16),
    uid: b.readUInt32LE(20),
    gid: b.readUInt32LE(24),
    size: b.readUInt32LE(40) + b.readUInt32LE(44) * 0x1_0000_0000,
    blocks: b.readUInt32LE(48) + b.readUInt32LE(52) * 0x1_0000_0000,
    blockSize: b.readUInt32LE(4),
    ino: b.readBigUInt64LE(32),
    dev: { major: b.readUInt32LE(136), minor: b.readUInt32LE(140) },
    rdev: { major: b.readUInt32LE(128), minor: b.readUInt32LE(132) },
    atime: timeAt(b, 64),
    mtime: timeAt(b, 112),
    ctime: timeAt(b, 96),
    btime: (mask & STATX_BTIME) === 0 ? undefined : timeAt(b, 80),
    mountId: (mask & STATX_MNT_ID) === 0 ? undefined : b.readUInt32LE(144),
    attributes: b.readUInt32LE(8),
    attributesMask: b.readUInt32LE(56),
  };
}

function timeAt(b: Buffer, at: number): TimeSpec {
  return {
    seconds: b.readUInt32LE(at) + b.readInt32LE(at + 4) * 0x1_0000_0000,
    nanoseconds: b.readUInt32LE(at + 8),
  };
}

/** What fstatfs(2) tells of the file system below a descriptor. */
export interface FileSystemStat {
  /** The magic number of linux/magic.h. */
  readonly magic: number;
  readonly typeName: string;
  /** f_fsid, hexadecimal: tells file systems apart that came to the same device one after the other. */
  readonly id: string;
  /** Bytes in a unit of the counts below. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly blocksFree: number;
  /** Free to users other than root. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameLength: number;
  /** The mount or the file system is read-only (ST_RDONLY). */
  readonly readOnly: boolean;
}

const FILE_SYSTEMS: { readonly [magic: number]: string } = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs",
  0x794c7630: "overlay",
  0xe0f5e1e2: "erofs",
  0x73717368: "squashfs",
  0x9fa0: "proc",
  0x62656572: "sysfs",
  0x4d44: "vfat",
  0x6969: "nfs",
  0x65735546: "fuse",
  0xf2f52010: "f2fs",
  0xca451a4e: "bcachefs",
  0x2fc12fc1: "zfs",
  0x858458f6: "ramfs",
  0x9660: "iso9660",
  0x01021997: "9p",
};

const ST_RDONLY = 1;

/** fstatfs(2). `struct statfs` has the same layout on x64 and arm64. */
export function statFileSystem(fd: number, subject = `descriptor ${fd}`): FileSystemStat {
  const b = Buffer.alloc(120);
  if (native.fstatfs(fd, b) !== 0) throw failure("fstatfs", lastErrno(), subject);
  const magic = b.readUInt32LE(0);
  const u64 = (at: number): number => Number(b.readBigUInt64LE(at));
  return {
    magic,
    typeName: FILE_SYSTEMS[magic] ?? `0x${magic.toString(16)}`,
    id: b.toString("hex", 56, 64),
    blockSize: u64(72) === 0 ? u64(8) : u64(72),
    blocks: u64(16),
    blocksFree: u64(24),
    blocksAvailable: u64(32),
    files: u64(40),
    filesFree: u64(48),
    nameLength: u64(64),
    readOnly: (u64(80) & ST_RDONLY) !== 0,
  };
}
