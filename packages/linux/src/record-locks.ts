// Classic record locks belong to the process: a second lock of it on the same file always succeeds, and closing any
// descriptor of the file gives the lock up. So this process has one descriptor a file for them, kept here, through
// which all lockers go; and files that are closed elsewhere while it is locked stay open until it is not.

import { isMainThread } from "node:worker_threads";
import { closeFd } from "./calls/open.ts";
import { type LockMode, tryLockFd } from "./calls/lock.ts";
import { fileKey, statFd } from "./calls/stat.ts";
import { linuxErrors } from "./errors.ts";
import type { File } from "./file.ts";

interface OwnedFile {
  readonly key: string;
  readonly file: File;
  /** Of the locks that were given out: any number of shared ones, or a single exclusive one. */
  shared: number;
  exclusive: boolean;
  /** Descriptors of the same file that others wanted closed meanwhile. */
  readonly closeLater: number[];
}

const owned = new Map<string, OwnedFile>();

/** Locks that this process has given to its own parts; what `tryRecordLock` returns is released by the function. */
export interface RecordHold {
  readonly file: File;
  release(): void;
  /** Changes between shared and exclusive; false where somebody has it, here or elsewhere. */
  change(mode: LockMode): boolean;
}

/** True while descriptors must not be closed carelessly. */
export function anyRecordLocks(): boolean {
  return owned.size > 0;
}

/** Closes a descriptor, or leaves that to the end of a record lock of its file. */
export function closeSparingLocks(fd: number, subject: string): void {
  const entry = owned.get(fileKey(statFd(fd, subject)));
  if (entry === undefined) closeFd(fd, subject);
  else entry.closeLater.push(fd);
}

/**
 * Takes the record lock of a file for one part of this process. `open` opens it if this process does not hold it yet;
 * `key` tells which file it will be, if it is there.
 */
export function tryRecordLock(
  key: string | undefined,
  open: () => File,
  mode: LockMode,
): RecordHold | undefined {
  if (!isMainThread) {
    throw linuxErrors.error("lock-thread", "a record lock was asked for in a worker thread");
  }
  let entry = key === undefined ? undefined : owned.get(key);
  if (entry === undefined) {
    const file = open();
    const actual = fileKey(file.stat());
    const other = owned.get(actual);
    if (other !== undefined) {
      // The name was given to a file that is locked here, between the look and the opening.
      file[Symbol.dispose]();
      entry = other;
    } else {
      entry = { key: actual, file, shared: 0, exclusive: false, closeLater: [] };
      owned.set(actual, entry);
    }
  }
  let taken = false;
  try {
    taken = allowed(entry, mode) && tryLockFd(entry.file.fd, "record", mode, entry.file.label);
  } finally {
    if (!taken) settle(entry);
  }
  if (!taken) return undefined;
  return holdOf(entry, mode);
}

function allowed(entry: OwnedFile, mode: LockMode): boolean {
  return !entry.exclusive && (mode === "shared" || entry.shared === 0);
}

function holdOf(entry: OwnedFile, initial: LockMode): RecordHold {
  let mode: LockMode | undefined = initial;
  count(entry, initial, 1);
  return {
    file: entry.file,
    release() {
      if (mode === undefined) return;
      count(entry, mode, -1);
      mode = undefined;
      settle(entry);
    },
    change(wanted) {
      if (mode === undefined || mode === wanted) return mode === wanted;
      count(entry, mode, -1);
      const taken = allowed(entry, wanted) && tryLockFd(entry.file.fd, "record", wanted, entry.file.label);
      if (taken) mode = wanted;
      count(entry, mode, 1);
      return taken;
    },
  };
}

function count(entry: OwnedFile, mode: LockMode, by: number): void {
  if (mode === "shared") entry.shared += by;
  else entry.exclusive = by > 0;
}

/** Gives the lock up where nobody holds it any more, and closes everything that waited for that. */
function settle(entry: OwnedFile): void {
  if (entry.exclusive || entry.shared > 0) return;
  owned.delete(entry.key);
  for (const fd of entry.closeLater.splice(0)) closeFd(fd, entry.file.label);
  entry.file[Symbol.dispose]();
}
