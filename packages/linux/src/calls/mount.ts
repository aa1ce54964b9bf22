import { AT_EMPTY_PATH, AT_RECURSIVE, O_CLOEXEC } from "../constants.ts";
import { EMPTY_PATH, nativePath, nativeString } from "../native-path.ts";
import { declareCalls, lastErrno, libc, syscall } from "../ffi.ts";

const native = declareCalls<{
  openTree(dir: number, path: Uint8Array, flags: number): number;
  moveMount(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array, flags: number): number;
  fsopen(type: Uint8Array, flags: number): number;
  fsconfig(
    fd: number,
    command: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    aux: number,
  ): number;
  fsmount(fd: number, flags: number, attributes: number): number;
  fspick(dir: number, path: Uint8Array, flags: number): number;
  mountSetattr(dir: number, path: Uint8Array, flags: number, attr: Uint8Array, size: number): number;
  mount(
    source: Uint8Array,
    target: Uint8Array,
    type: Uint8Array | null,
    flags: number,
    data: Uint8Array | null,
  ): number;
  umount2(target: Uint8Array, flags: number): number;
  unshare(flags: number): number;
}>({
  openTree: syscall(428, "int, const void *, uint"),
  moveMount: syscall(429, "int, const void *, int, const void *, uint"),
  fsopen: syscall(430, "const void *, uint"),
  fsconfig: syscall(431, "int, uint, const void *, const void *, int"),
  fsmount: syscall(432, "int, uint, uint"),
  fspick: syscall(433, "int, const void *, uint"),
  mountSetattr: syscall(442, "int, const void *, uint, const void *, ulong"),
  mount: libc("mount", "const void *, const void *, const void *, ulong, const void *"),
  umount2: libc("umount2", "const void *, int"),
  unshare: libc("unshare", "int"),
});

const OPEN_TREE_CLONE = 1;

/** open_tree(2) of a directory with OPEN_TREE_CLONE: a detached copy of the mount, usable by its descriptor alone. */
export function tryCloneTree(dir: number, recursive: boolean): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  const fd = native.openTree(dir, EMPTY_PATH, flags);
  return fd >= 0 ? fd : -lastErrno();
}

const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

/** move_mount(2): puts a detached mount onto an open directory. Returns 0 or the negated errno. */
export function tryMoveMount(mount: number, onto: number): number {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return native.moveMount(mount, EMPTY_PATH, onto, EMPTY_PATH, flags) === 0 ? 0 : -lastErrno();
}

const FSOPEN_CLOEXEC = 1;

/** fsopen(2): begins to configure a file system. The descriptor or the negated errno. */
export function tryFsopen(type: string): number {
  const fd = native.fsopen(nativeString(type), FSOPEN_CLOEXEC);
  return fd >= 0 ? fd : -lastErrno();
}

const FSPICK_CLOEXEC = 1;
const FSPICK_EMPTY_PATH = 8;

/** fspick(2): begins to change the file system that a directory is on. The descriptor or the negated errno. */
export function tryFspick(dir: number): number {
  const fd = native.fspick(dir, EMPTY_PATH, FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  return fd >= 0 ? fd : -lastErrno();
}

const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_SET_FD = 5;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;

/** fsconfig(2): a flag (`true`), a string, or a descriptor as the value of a key. Returns 0 or the negated errno. */
export function tryFsconfig(context: number, key: string, value: string | number | true): number {
  const name = nativeString(key);
  const result =
    value === true
      ? native.fsconfig(context, FSCONFIG_SET_FLAG, name, null, 0)
      : typeof value === "string"
        ? native.fsconfig(context, FSCONFIG_SET_STRING, name, nativeString(value), 0)
        : native.fsconfig(context, FSCONFIG_SET_FD, name, null, value);
  return result === 0 ? 0 : -lastErrno();
}

/** fsconfig(2), making the file system or changing it as configured. Returns 0 or the negated errno. */
export function tryFsconfigDo(context: number, command: "create" | "reconfigure"): number {
  const number = command === "create" ? FSCONFIG_CMD_CREATE : FSCONFIG_CMD_RECONFIGURE;
  return native.fsconfig(context, number, null, null, 0) === 0 ? 0 : -lastErrno();
}

export const MOUNT_ATTR = {
  readOnly: 0x1,
  noSuid: 0x2,
  noDev: 0x4,
  noExec: 0x8,
  noAtime: 0x10,
  noSymlinkFollow: 0x20_0000,
} as const;

export type MountAttribute = keyof typeof MOUNT_ATTR;

export function attributeBits(attributes: readonly MountAttribute[]): number {
  return attributes.reduce((bits, attribute) => bits | MOUNT_ATTR[attribute], 0);
}

/** fsmount(2): a detached mount of the configured file system. The descriptor or the negated errno. */
export function tryFsmount(context: number, attributes: number): number {
  const fd = native.fsmount(context, 1, attributes);
  return fd >= 0 ? fd : -lastErrno();
}

const PROPAGATION = { private: 1 << 18, slave: 1 << 19, shared: 1 << 20, unbindable: 1 << 17 } as const;

export type Propagation = keyof typeof PROPAGATION;

const MOUNT_ATTR_IDMAP = 0x0010_0000;

/** mount_setattr(2) on the mount of an open directory. Returns 0 or the negated errno. */
export function tryMountSetattr(
  dir: number,
  change: {
    readonly set: number;
    readonly clear: number;
    readonly propagation?: Propagation;
    /** Descriptor of a user namespace, by whose map owners are shown. */
    readonly idMap?: number;
  },
  recursive: boolean,
): number {
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd; 64 bits each.
  const attr = Buffer.alloc(32);
  const idMap = change.idMap === undefined ? 0 : MOUNT_ATTR_IDMAP;
  attr.writeBigUInt64LE(BigInt(change.set | idMap), 0);
  attr.writeBigUInt64LE(BigInt(change.clear), 8);
  attr.writeBigUInt64LE(BigInt(change.propagation === undefined ? 0 : PROPAGATION[change.propagation]), 16);
  if (change.idMap !== undefined) attr.writeBigUInt64LE(BigInt(change.idMap), 24);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return native.mountSetattr(dir, EMPTY_PATH, flags, attr, attr.length) === 0 ? 0 : -lastErrno();
}

/** Flags of mount(2). */
export const MS = {
  readOnly: 0x1,
  noSuid: 0x2,
  noDev: 0x4,
  noExec: 0x8,
  noAtime: 0x400,
  noSymlinkFollow: 0x100,
  remount: 0x20,
  bind: 0x1000,
  recursive: 0x4000,
} as const;

/** mount(2), the old way. Returns 0 or the negated errno. */
export function tryMount(
  source: string,
  target: string,
  type: string | undefined,
  flags: number,
  data: string | undefined,
): number {
  const result = native.mount(
    nativeString(source),
    nativePath(target),
    type === undefined ? null : nativeString(type),
    flags,
    data === undefined ? null : nativeString(data),
  );
  return result === 0 ? 0 : -lastErrno();
}

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** umount2(2) of a path whose last name is not followed. Returns 0 or the negated errno. */
export function tryUmount(target: string, detach: boolean): number {
  const flags = UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0);
  return native.umount2(nativePath(target), flags) === 0 ? 0 : -lastErrno();
}

export const CLONE_NEWNS = 0x2_0000;

/** unshare(2). Returns 0 or the negated errno. */
export function tryUnshare(flags: number): number {
  return native.unshare(flags) === 0 ? 0 : -lastErrno();
}
