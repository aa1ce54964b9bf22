import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { LabError } from "../errors.ts";
import type { FileSystem } from "../filesystems/filesystem.ts";

/** A state of a disk that ends when disposed. */
export interface DiskFault extends AsyncDisposable {
  readonly path: string;
}

/** Most that `fillDisk` writes: a disk that takes more is not one made for a test. */
const MOST = 4 * 1024 ** 3;

const isFull = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
};

/**
 * Fills the file system of a directory until nothing more goes in (`what: "bytes"`, the default) or until it has no
 * inode left. `leave` so many bytes, roughly, are given back. The files lie in a directory of their own below
 * `directory` and go when the fault is disposed. Refuses a disk with more than 4 GiB free.
 */
export async function fullDisk(
  directory: string,
  options: { what?: "bytes" | "inodes"; leave?: number } = {},
): Promise<DiskFault> {
  const { what = "bytes", leave = 0 } = options;
  const stat = statfsSync(directory);
  if (stat.bavail * stat.bsize > MOST)
    throw new LabError(
      "lab/bad-argument",
      `${directory} lies on a large disk: make a file system for the test`,
      {
        context: { directory, available: stat.bavail * stat.bsize },
      },
    );
  const own = mkdtempSync(join(directory, ".full-"));
  const free = (): void => rmSync(own, { recursive: true, force: true });
  try {
    if (what === "inodes") takeInodes(own);
    else takeBytes(own, leave);
  } catch (error) {
    free();
    throw error;
  }
  return {
    path: own,
    async [Symbol.asyncDispose]() {
      free();
    },
  };
}

function takeInodes(own: string): void {
  for (let n = 0; ; n++) {
    try {
      writeFileSync(join(own, String(n)), "");
    } catch (error) {
      if (isFull(error)) return;
      throw error;
    }
    if (n > 1_000_000) throw new LabError("lab/fault", "this file system does not run out of inodes");
  }
}

function takeBytes(own: string, leave: number): void {
  const reserve = join(own, "reserve");
  if (leave > 0) {
    writeFileSync(reserve, Buffer.alloc(leave));
    const fd = openSync(reserve, "r");
    fsyncSync(fd);
    closeSync(fd);
  }
  const fd = openSync(join(own, "filler"), "wx");
  try {
    // Ever smaller pieces, so that not a block is left; synced, because space is given out late.
    for (const size of [1 << 20, 1 << 16, 1 << 12, 512]) {
      // Bytes that do not compress and are no hole.
      const piece = Buffer.alloc(size, 0xa5);
      for (;;) {
        try {
          writeSync(fd, piece);
        } catch (error) {
          if (isFull(error)) break;
          throw error;
        }
      }
      try {
        fsyncSync(fd);
      } catch (error) {
        if (!isFull(error)) throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
  if (leave > 0) rmSync(reserve);
}

/** Makes a mounted file system read-only under its users (EROFS), and writable again when disposed. */
export async function readOnlyDisk(fs: FileSystem): Promise<DiskFault> {
  await fs.remount("ro");
  return { path: fs.path, [Symbol.asyncDispose]: () => fs.remount("rw") };
}
