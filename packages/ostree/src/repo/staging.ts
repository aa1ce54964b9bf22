import { randomBytes } from "node:crypto";
import { type ByteString, isStoreError } from "@bootc-store/core";
import type { Dir, Lock } from "@bootc-store/linux";

/** A directory in `tmp` that holds the objects of a transaction until it is committed. */
export interface Staging extends Disposable {
  readonly name: ByteString;
  readonly dir: Dir;
  /** Removes the directory, with what is left in it, and its lock. */
  remove(): void;
}

const PREFIX = "staging-";
const LOCK_SUFFIX = "-lock";

/** Name prefix of the staging directories of a boot. */
export function stagingPrefix(bootId: string): string {
  return `${PREFIX}${bootId}-`;
}

export function isStagingName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * A staging directory of this boot: one that a process has left, whose objects then need not be written again, or a new
 * one. Each has a lock beside it, which the owner holds. A directory of another boot is never taken, because what was
 * in memory then may not have reached the disk.
 */
export function openStaging(tmp: Dir, bootId: string): Staging {
  const prefix = stagingPrefix(bootId);
  for (const entry of tmp.list()) {
    if (entry.type !== "directory" || !entry.name.startsWith(prefix)) continue;
    const lock = tmp.tryLock((entry.name + LOCK_SUFFIX) as ByteString, LOCK);
    if (lock === undefined) continue;
    const dir = tmp.openDirOptional(entry.name);
    if (dir !== undefined) return staging(tmp, entry.name, dir, lock);
    release(tmp, entry.name, lock);
  }
  for (;;) {
    const name = `${prefix}${randomName()}` as ByteString;
    const lock = tmp.tryLock((name + LOCK_SUFFIX) as ByteString, LOCK);
    if (lock === undefined) continue;
    try {
      tmp.makeDir(name, 0o775);
    } catch (error) {
      release(tmp, name, lock);
      if (isStoreError(error, "linux/exists")) continue;
      throw error;
    }
    return staging(tmp, name, tmp.openDir(name), lock);
  }
}

const LOCK = { kind: "ofd", mode: "exclusive", create: 0o644, access: "read-write" } as const;

function staging(tmp: Dir, name: ByteString, dir: Dir, lock: Lock): Staging {
  let open = true;
  const close = (remove: boolean): void => {
    if (!open) return;
    open = false;
    dir[Symbol.dispose]();
    if (remove) tmp.removeAll(name);
    release(tmp, name, lock);
  };
  return { name, dir, remove: () => close(true), [Symbol.dispose]: () => close(false) };
}

/** The lock's file goes first, while nobody else can have it. */
function release(tmp: Dir, name: ByteString, lock: Lock): void {
  tmp.removeOptional((name + LOCK_SUFFIX) as ByteString);
  lock[Symbol.dispose]();
}

/**
 * Removes what crashes and other boots have left in `tmp`: staging directories of other boots that nobody holds, and
 * anything else that is older than `maxAgeSecs`, but for the cache. Returns the names that were removed.
 */
export function cleanTmp(tmp: Dir, bootId: string, maxAgeSecs: number, nowSecs: number): ByteString[] {
  const removed: ByteString[] = [];
  const entries = tmp.list();
  const names = new Set<string>(entries.map((entry) => entry.name));
  for (const entry of entries) {
    const { name } = entry;
    if (
      name === "cache" ||
      (isStagingName(name) && name.endsWith(LOCK_SUFFIX) && names.has(name.slice(0, -LOCK_SUFFIX.length)))
    ) {
      continue;
    }
    if (isStagingName(name) && entry.type === "directory") {
      if (name.startsWith(stagingPrefix(bootId))) continue;
      const lock = tmp.tryLock((name + LOCK_SUFFIX) as ByteString, LOCK);
      if (lock === undefined) continue;
      tmp.removeAll(name);
      release(tmp, name, lock);
      removed.push(name);
      continue;
    }
    const stat = tmp.statOptional(name);
    if (stat === undefined || nowSecs - stat.mtime.seconds < maxAgeSecs) continue;
    tmp.removeAll(name);
    removed.push(name);
  }
  return removed;
}

function randomName(): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from(randomBytes(6), (byte) => letters[byte % letters.length]).join("");
}
