// Staging directories: where layers are filled before they have a place, and where removed ones go before their content
// is removed. `temp-dir-N` belongs to whoever holds `lock-N`; one whose lock can be had belongs to nobody, and whoever
// opens the store removes it.

import { randomInt } from "node:crypto";

import { isStoreError, Lifetime, type Log, utf8 } from "@bootc-store/core";
import { type Dir, type Lock, sameFile } from "@bootc-store/linux";

import { containersStorageErrors } from "../errors.ts";

const ATTEMPTS = 1000;

export class StagingDir implements Disposable {
  readonly #parent: Dir;
  readonly #suffix: string;
  readonly #lock: Lock;
  readonly #log: Log;
  readonly #lifetime = new Lifetime("staging directory");
  /** The directory itself. */
  readonly dir: Dir;

  private constructor(parent: Dir, suffix: string, lock: Lock, dir: Dir, log: Log) {
    this.#log = log;
    this.#parent = parent;
    this.#suffix = suffix;
    this.#lock = lock;
    this.dir = dir;
  }

  /** @param parent `overlay-layers/tmp` or `overlay/tempdirs`; it must stay open as long. */
  static create(parent: Dir, log: Log): StagingDir {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const suffix = String(randomInt(2 ** 47));
      const lockName = utf8(`lock-${suffix}`);
      try {
        parent.createNew(lockName, { mode: 0o600 })[Symbol.dispose]();
      } catch (error) {
        if (isStoreError(error, "linux/exists")) continue;
        throw error;
      }
      const lock = takeLock(parent, suffix);
      if (lock === undefined) continue;
      try {
        const name = utf8(`temp-dir-${suffix}`);
        parent.makeDir(name, 0o700);
        return new StagingDir(parent, suffix, lock, parent.openDir(name), log);
      } catch (error) {
        parent.removeOptional(lockName);
        lock[Symbol.dispose]();
        throw error;
      }
    }
    throw containersStorageErrors.error(
      "staging-exhausted",
      `${parent.label}: no name for a staging directory after ${ATTEMPTS} attempts`,
    );
  }

  /**
   * Removes what is left of it: the directory, then its lock file, and only then gives up the lock. What cannot be removed
   * belongs to nobody from then on, so the next who opens the store removes it: that must not fail what has been done.
   */
  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    try {
      this.dir[Symbol.dispose]();
      this.#parent.removeAll(utf8(`temp-dir-${this.#suffix}`));
      this.#parent.removeOptional(utf8(`lock-${this.#suffix}`));
    } catch (error) {
      if (!isStoreError(error)) throw error;
      this.#log.log("warn", `a staging directory stays until somebody opens the store: ${error.message}`, {
        path: `${this.#parent.label}/temp-dir-${this.#suffix}`,
        code: error.code,
      });
    } finally {
      this.#lock[Symbol.dispose]();
    }
  }
}

/**
 * The lock of a name; `undefined` if somebody else has it, or if the file that was locked is not the one that has the
 * name any more: a sweeper removed it in between.
 */
function takeLock(parent: Dir, suffix: string): Lock | undefined {
  const name = utf8(`lock-${suffix}`);
  let lock: Lock | undefined;
  try {
    lock = parent.tryLock(name, { kind: "ofd", mode: "exclusive" });
  } catch (error) {
    if (isStoreError(error, "linux/not-found")) return undefined;
    throw error;
  }
  if (lock === undefined) return undefined;
  const found = parent.statOptional(name);
  if (found !== undefined && sameFile(found, lock.file.stat())) return lock;
  lock[Symbol.dispose]();
  return undefined;
}

/** Names of staging directories and lock files, by suffix. */
export function listStaging(parent: Dir): string[] {
  const suffixes = new Set<string>();
  for (const { name } of parent.list()) {
    const match = /^(?:lock|temp-dir)-(.+)$/.exec(name);
    if (match?.[1] !== undefined) suffixes.add(match[1]);
  }
  return [...suffixes];
}

/** Removes staging directories that nobody holds, and returns the suffixes of their names. */
export function sweepStaging(parent: Dir): string[] {
  return listStaging(parent).filter((suffix) => {
    const lockName = utf8(`lock-${suffix}`);
    const dirName = utf8(`temp-dir-${suffix}`);
    if (parent.statOptional(lockName) === undefined) {
      // A lock comes before its directory and goes after it, so this directory has no owner.
      return parent.removeAll(dirName) > 0;
    }
    const lock = takeLock(parent, suffix);
    if (lock === undefined) return false;
    using _held = lock;
    parent.removeAll(dirName);
    parent.removeOptional(lockName);
    return true;
  });
}
