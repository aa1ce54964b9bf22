import type { ByteString } from "@bootc-store/core";
import type { FileType } from "./stat.ts";
import { AT_REMOVEDIR } from "../constants.ts";
import { ENOENT } from "../errno.ts";
import { failure } from "../failure.ts";
import { declareCalls, lastErrno, libc, syscall } from "../ffi.ts";
import { nativePath } from "../native-path.ts";
import { plainEntries, plainly, plainType } from "../plain.ts";

const native = declareCalls<{
  getdents64(fd: number, out: Uint8Array, size: number): number;
  mkdirat(dir: number, path: Uint8Array, mode: number): number;
  unlinkat(dir: number, path: Uint8Array, flags: number): number;
}>({
  getdents64: syscall({ x64: 217, arm64: 61 }, "int, void *, ulong"),
  mkdirat: libc("mkdirat", "int, const void *, uint"),
  unlinkat: libc("unlinkat", "int, const void *, int"),
});

/** mkdirat(2); the mode is subject to the umask. Returns 0 or the negated errno. */
export function tryMkdirAt(dir: number, name: string, mode: number): number {
  return native.mkdirat(dir, nativePath(name), mode) === 0 ? 0 : -lastErrno();
}

/** unlinkat(2) of something that is no directory. Returns 0 or the negated errno. */
export function tryUnlinkAt(dir: number, name: string): number {
  return native.unlinkat(dir, nativePath(name), 0) === 0 ? 0 : -lastErrno();
}

/** unlinkat(2) of an empty directory. Returns 0 or the negated errno. */
export function tryRmdirAt(dir: number, name: string): number {
  return native.unlinkat(dir, nativePath(name), AT_REMOVEDIR) === 0 ? 0 : -lastErrno();
}

/** DT_* of dirent.h, by number. */
const TYPES: readonly (FileType | undefined)[] = [];
const byNumber: { [dt: number]: FileType } = {
  1: "fifo",
  2: "character",
  4: "directory",
  6: "block",
  8: "regular",
  10: "symlink",
  12: "socket",
};
for (let dt = 0; dt < 16; dt++) (TYPES as (FileType | undefined)[])[dt] = byNumber[dt];

/** The type that a directory entry records; `undefined` where the file system keeps none there. */
export function entryType(dt: number): FileType | undefined {
  return TYPES[dt];
}

/** 64 KiB holds some 2000 entries a call; the buffer serves every directory of a thread. */
const buffer = Buffer.alloc(1 << 16);

/**
 * Reads a directory that has just been opened to its end with getdents64(2), without `.` and `..`, in the file system's
 * order. `each` gets the name and the DT_ number.
 */
export function readEntries(fd: number, subject: string, each: (name: ByteString, dt: number) => void): void {
  if (plainly()) {
    const entries = plainEntries(fd);
    if (typeof entries === "number") throw failure("getdents64", -entries, subject);
    for (const entry of entries) each(entry.name.toString("latin1") as ByteString, plainType(entry));
    return;
  }
  for (;;) {
    const size = native.getdents64(fd, buffer, buffer.length);
    if (size === 0) return;
    if (size < 0) {
      const errno = lastErrno();
      // The directory was removed since it was opened: nothing is in it any more, as readdir(3) says too.
      if (errno === ENOENT) return;
      throw failure("getdents64", errno, subject);
    }
    // struct linux_dirent64: ino u64, off i64, reclen u16, type u8, name with NUL, padding.
    for (let at = 0; at < size;) {
      const length = (buffer[at + 16] as number) | ((buffer[at + 17] as number) << 8);
      const dt = buffer[at + 18] as number;
      let end = at + 19;
      while (buffer[end] !== 0) end++;
      const name = buffer.toString("latin1", at + 19, end) as ByteString;
      at += length;
      if (name !== "." && name !== "..") each(name, dt);
    }
  }
}
