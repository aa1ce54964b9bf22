import { setTimeout as sleep } from "node:timers/promises";
import { cancelled, Lifetime } from "@bootc-store/core";
import { type LockKind, type LockMode, lockHolder, tryLockFd } from "./calls/lock.ts";
import { linuxErrors } from "./errors.ts";
import type { File } from "./file.ts";
import type { RecordHold } from "./record-locks.ts";

export interface LockOptions {
  readonly kind: LockKind;
  /** Default `exclusive`. */
  readonly mode?: LockMode;
  /** Makes the lock file, empty, with these permission bits (subject to the umask) where it is not there. */
  readonly create?: number;
  /**
   * How the lock file is opened. Default: what the lock needs, which for an exclusive one of kind `ofd` or `record` is
   * writing. Say `read-write` to change a shared lock to exclusive later.
   */
  readonly access?: "read" | "read-write";
}

export interface LockWaitOptions extends LockOptions {
  /** Milliseconds after which waiting ends with `linux/lock-timeout`. Default: none. */
  readonly timeout?: number;
  /** Ends waiting with `core/cancelled`. */
  readonly signal?: AbortSignal;
}

/** How often a waiter tries: soon at first, then every 25 ms. Others' waiting calls wake up faster, so be brief. */
const WAIT_MS = [1, 2, 4, 8, 16, 25];

/**
 * A lock that is held. Dispose of it to give it up. Its file stays open as long and can be read and, if it was opened
 * so, written; it must not be closed by others.
 */
export class Lock implements Disposable {
  readonly kind: LockKind;
  readonly label: string;
  #mode: LockMode;
  readonly #file: File;
  readonly #record: RecordHold | undefined;
  readonly #lifetime = new Lifetime("lock");

  /** @internal Made by `Dir.lock` and `Dir.tryLock`. */
  constructor(kind: LockKind, mode: LockMode, file: File, record: RecordHold | undefined) {
    this.kind = kind;
    this.#mode = mode;
    this.#file = file;
    this.#record = record;
    this.label = file.label;
  }

  get mode(): LockMode {
    return this.#mode;
  }

  /** The lock file. */
  get file(): File {
    this.#lifetime.assertOpen();
    return this.#file;
  }

  /**
   * Changes between shared and exclusive without waiting. False: somebody else is in the way. For `ofd` and `record`
   * the old lock is then still held; flock(2) may have lost it to another process in between, and it is taken again,
   * or `linux/lock-held` is thrown.
   */
  tryChange(mode: LockMode): boolean {
    const { file } = this;
    if (this.#record !== undefined) {
      if (!this.#record.change(mode)) return false;
    } else if (!tryLockFd(file.fd, this.kind, mode, this.label)) {
      if (this.kind === "flock" && !tryLockFd(file.fd, "flock", this.#mode, this.label)) {
        throw linuxErrors.error("lock-held", `${this.label}: the lock was lost while it was changed`, {
          context: { path: this.label },
        });
      }
      return false;
    }
    this.#mode = mode;
    return true;
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    if (this.#record !== undefined) return this.#record.release();
    // Explicitly, because a child process may have inherited the open file and with it the lock.
    try {
      tryLockFd(this.#file.fd, this.kind, "none", this.label);
    } finally {
      this.#file[Symbol.dispose]();
    }
  }
}

/** Tries again and again until `attempt` gives a lock. The event loop runs meanwhile. */
export async function waitForLock(
  attempt: () => Lock | undefined,
  subject: string,
  options: LockWaitOptions,
): Promise<Lock> {
  const { signal, timeout } = options;
  const end = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout;
  for (let turn = 0; ; turn++) {
    if (signal?.aborted === true) throw cancelled(signal);
    const lock = attempt();
    if (lock !== undefined) return lock;
    const left = end - performance.now();
    if (left <= 0) {
      throw linuxErrors.error(
        "lock-timeout",
        `${subject}: locked by somebody else for more than ${timeout} ms`,
        {
          context: { path: subject, kind: options.kind, mode: options.mode ?? "exclusive" },
        },
      );
    }
    const pause = Math.min(WAIT_MS[turn] ?? 25, left);
    await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error;
    });
  }
}

/** Who is in the way of a lock on this file: a process id, `"ofd"` for an open file, or nobody that can be told. */
export function holderOf(file: File, options: LockOptions): number | "ofd" | undefined {
  return options.kind === "flock"
    ? undefined
    : lockHolder(file.fd, options.kind, options.mode ?? "exclusive", file.label);
}
