// Looking without native code. To load the native library takes as long as some hundred file calls, which is a third of
// what a short run takes in all; so the first calls of a thread that only looks are made by Node's own file functions,
// by way of /proc/self/fd. The library is loaded by the first call that only it can make, or when there are many.
//
// `/proc/self/fd/N/NAME` with O_NOFOLLOW is openat(N, NAME): the kernel goes to the open directory itself, not to its
// path. Only single names are opened so; a path is walked name by name (`resolve-walk.ts`).
import {
  closeSync,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";

import { AT_FDCWD, O_DIRECTORY, O_PATH } from "./constants.ts";
import { EBADF, ENOENT } from "./errno.ts";
import { nativeLoaded } from "./ffi.ts";
import { procPath } from "./native-path.ts";

/** So many calls take about as long as loading the library: who makes more is no short process. */
const CALLS = 400;

/** How many more; `undefined` until the first. */
let left: number | undefined;
let pretended = false;

/** Whether the next call is to be made without native code, where it can be; counts it. */
export function plainly(): boolean {
  if (left === 0) return false;
  left ??= possible() ? CALLS : 0;
  if (left === 0 || (!pretended && nativeLoaded())) {
    left = 0;
    return false;
  }
  left--;
  return true;
}

/** For tests: so many calls are made without native code while the handle lives, whether it is loaded or not. */
export function pretendPlain(calls: number): Disposable {
  const before = left;
  left = calls;
  pretended = true;
  return {
    [Symbol.dispose]() {
      left = before;
      pretended = false;
    },
  };
}

/** Where no native call could be made either, the refusal is to be that one's. */
function possible(): boolean {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) return false;
  try {
    const fd = openSync("/", O_PATH | O_DIRECTORY);
    try {
      // /proc may be missing, or mounted so that nothing leads anywhere.
      return statSync(`${procPath(fd)}/.`).isDirectory();
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** What openat(2) returns for flags that make nothing: a descriptor or the negated errno. */
export function plainOpen(dir: number, path: string, flags: number): number {
  return attempt(dir, () => openSync(pathOf(dir, path), flags));
}

/** The negated errno of close(2), or 0. */
export function plainClose(fd: number): number {
  return attempt(AT_FDCWD, () => {
    closeSync(fd);
    return 0;
  });
}

/** Mode and size of a name, of a symbolic link its own; or the negated errno. */
export function plainStatAt(dir: number, name: string): Stats | number {
  return attempt(dir, () => lstatSync(pathOf(dir, name)));
}

export function plainStatFd(fd: number): Stats | number {
  return attempt(AT_FDCWD, () => fstatSync(fd));
}

/** The text of the symbolic link at a name, or the negated errno. */
export function plainReadlink(dir: number, name: string): Buffer | number {
  return attempt(dir, () => readlinkSync(pathOf(dir, name), { encoding: "buffer" }));
}

/** Everything in a directory, in the file system's order; or the negated errno. */
export function plainEntries(fd: number): Dirent<Buffer>[] | number {
  return attempt(AT_FDCWD, () => readdirSync(procPath(fd), { encoding: "buffer", withFileTypes: true }));
}

/** DT_* of dirent.h. */
export function plainType(entry: Dirent<Buffer>): number {
  if (entry.isFile()) return 8;
  if (entry.isDirectory()) return 4;
  if (entry.isSymbolicLink()) return 10;
  if (entry.isCharacterDevice()) return 2;
  if (entry.isBlockDevice()) return 6;
  if (entry.isFIFO()) return 1;
  return entry.isSocket() ? 12 : 0;
}

function pathOf(dir: number, path: string): Buffer {
  const full = dir === AT_FDCWD || path.startsWith("/") ? path : `${procPath(dir)}/${path}`;
  return Buffer.from(full, "latin1");
}

function attempt<T>(dir: number, call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (typeof errno !== "number" || errno >= 0) throw error;
    // A descriptor that is none is no name that is not there.
    if (errno === -ENOENT && dir !== AT_FDCWD && typeof plainStatFd(dir) === "number") return -EBADF;
    return errno;
  }
}
