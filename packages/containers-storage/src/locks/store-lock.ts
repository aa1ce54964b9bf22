import { pid } from "node:process";

import { byteString, isStoreError, utf8 } from "@bootc-store/core";
import type { Dir, Lock } from "@bootc-store/linux";

import { makeToken, TOKEN_SIZE } from "../format/lock-file.ts";

/**
 * One of the store's lock files. The lock is an open-file-description record lock, which conflicts with the classic
 * ones of the real library in both directions, also between two users in one process, and is not lost when somebody
 * closes another descriptor of the file. The file's content is the last-write token.
 *
 * Waiting is polite and not fair: whoever holds one of these must be quick, as new processes of the real tools wait.
 */
export class StoreLock {
  readonly #dir: Dir;
  readonly #name: string;

  constructor(dir: Dir, name: string) {
    this.#dir = dir;
    this.#name = name;
  }

  /** For reading. Where there is no lock file nothing is made, and nothing is locked: nobody has written yet. */
  async shared(signal?: AbortSignal): Promise<HeldLock> {
    try {
      const options = { kind: "ofd", mode: "shared", access: "read" } as const;
      return new HeldLock(await this.#dir.lock(utf8(this.#name), { ...options, ...signalOption(signal) }));
    } catch (error) {
      if (isStoreError(error, "linux/not-found")) return new HeldLock(undefined);
      throw error;
    }
  }

  /** For writing. Makes the lock file where it is missing. */
  async exclusive(signal?: AbortSignal): Promise<HeldLock> {
    const options = { kind: "ofd", mode: "exclusive", access: "read-write", create: 0o644 } as const;
    return new HeldLock(await this.#dir.lock(utf8(this.#name), { ...options, ...signalOption(signal) }));
  }

  /** Whether anybody holds the lock now. Makes nothing. */
  isHeld(): boolean {
    if (this.#dir.statOptional(utf8(this.#name)) === undefined) return false;
    using lock = this.#dir.tryLock(utf8(this.#name), { kind: "ofd", mode: "exclusive" });
    return lock === undefined;
  }
}

/** A lock that is held. Dispose of it to give it up. */
export class HeldLock implements Disposable {
  readonly #lock: Lock | undefined;

  constructor(lock: Lock | undefined) {
    this.#lock = lock;
  }

  /** The last-write token, as a string to compare. */
  token(): string {
    if (this.#lock === undefined) return "";
    const bytes = Buffer.alloc(TOKEN_SIZE);
    const size = this.#lock.file.readFull(bytes, 0);
    return byteString(bytes.subarray(0, size));
  }

  /** Writes a new token, so that everybody reads the index again. To be done before the index is written. */
  touch(): string {
    const token = makeToken(pid);
    this.#lock?.file.write(token, 0);
    return byteString(token);
  }

  [Symbol.dispose](): void {
    this.#lock?.[Symbol.dispose]();
  }
}

function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
