import type { ByteString } from "@bootc-store/core";
import { entryType, readEntries } from "./calls/directory.ts";
import { type FileType, fileTypeOf, tryModeAt } from "./calls/stat.ts";
import { ENOENT } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failure, subjectOf } from "./failure.ts";

/** A name in a directory, and what kind of file the directory says it is. */
export interface DirEntry {
  readonly name: ByteString;
  readonly type: FileType;
}

/** How many entries a directory may have unless told otherwise. */
export const ENTRY_LIMIT = 4_000_000;

/**
 * All entries of an open directory in byte order, from its descriptor's position on.
 * Throws `linux/limit-exceeded` for more than `limit`.
 */
export function readSorted(fd: number, label: string, limit: number): DirEntry[] {
  // Sorting strings without a comparator is several times faster than sorting entries with one. The type goes along
  // behind a NUL, which no name contains and which sorts before every other byte, so names stay in byte order.
  const packed: string[] = [];
  readEntries(fd, label, (name, dt) => {
    if (packed.length >= limit) {
      throw linuxErrors.error("limit-exceeded", `${shown(label)}: more than ${limit} entries`, {
        context: { path: shown(label), limit },
      });
    }
    packed.push(name + PACKED_TYPES[dt & 15]);
  });
  packed.sort();
  const entries: DirEntry[] = [];
  for (const text of packed) {
    const end = text.length - 2;
    const name = text.slice(0, end) as ByteString;
    const type = entryType(text.charCodeAt(end + 1) - 0x40) ?? askType(fd, name, label);
    // Removed while it was listed.
    if (type !== undefined) entries.push({ name, type });
  }
  return entries;
}

const PACKED_TYPES = Array.from({ length: 16 }, (_, dt) => `\0${String.fromCharCode(0x40 + dt)}`);

/** For file systems whose directories hold no types. */
function askType(fd: number, name: ByteString, label: string): FileType | undefined {
  const mode = tryModeAt(fd, name);
  if (mode >= 0) return fileTypeOf(mode);
  if (mode === -ENOENT) return undefined;
  throw failure("statx", -mode, subjectOf(label, name));
}

/** The label of a directory for a message: its path, or `.` for the one that paths start at. */
export function shown(label: string): string {
  return label === "" ? "." : label;
}
