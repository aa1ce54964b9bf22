import { type ByteString, isStoreError } from "@bootc-store/core";
import type { Dir, Lock } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import type { RepoConfig } from "./config.ts";

export type RepoLockMode = "shared" | "exclusive";

/** How long somebody holds the lock of a repository; dispose of it to let go. */
export type Held = Disposable;

const LOCK_FILE = ".lock" as ByteString;

/**
 * The lock of a repository as ostree takes it: on `.lock`, of an open file. Writers of objects share it; who removes
 * objects has it alone. Within this opening of a repository it can be taken again and again, and while it is shared also
 * exclusively; it is as strong as the strongest that is held.
 */
export class RepoLock implements Disposable {
  readonly #dir: Dir;
  readonly #config: RepoConfig;
  #lock: Lock | undefined;
  #shared = 0;
  #exclusive = 0;
  /** Requests wait for one another, so that two of them do not both open the file. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(dir: Dir, config: RepoConfig) {
    this.#dir = dir;
    this.#config = config;
  }

  /** Throws `ostree/lock-timeout` after `core.lock-timeout-secs`. */
  async take(mode: RepoLockMode, options: { readonly signal?: AbortSignal } = {}): Promise<Held> {
    if (!this.#config.locking) return { [Symbol.dispose]() {} };
    const taken = this.#queue.then(() => this.#take(mode, options.signal));
    this.#queue = taken.catch(() => {});
    await taken;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#release(mode);
      },
    };
  }

  async #take(mode: RepoLockMode, signal: AbortSignal | undefined): Promise<void> {
    const seconds = this.#config.lockTimeoutSecs;
    const waiting = {
      ...(signal === undefined ? {} : { signal }),
      ...(seconds < 0 ? {} : { timeout: seconds * 1000 }),
    };
    try {
      if (this.#lock === undefined) {
        this.#lock = await this.#dir.lock(LOCK_FILE, {
          kind: "ofd",
          mode,
          create: 0o660,
          access: "read-write",
          ...waiting,
        });
      } else if (mode === "exclusive" && this.#lock.mode === "shared") {
        await this.#strengthen(this.#lock, seconds, signal);
      }
    } catch (error) {
      if (!isStoreError(error, "linux/lock-timeout")) throw error;
      throw ostreeErrors.error(
        "lock-timeout",
        `Locking repo ${mode} failed: Resource temporarily unavailable`,
        {
          cause: error,
        },
      );
    }
    if (mode === "shared") this.#shared++;
    else this.#exclusive++;
  }

  async #strengthen(lock: Lock, seconds: number, signal: AbortSignal | undefined): Promise<void> {
    const end = seconds < 0 ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
    while (!lock.tryChange("exclusive")) {
      if (performance.now() >= end) {
        throw ostreeErrors.error(
          "lock-timeout",
          "Locking repo exclusive failed: Resource temporarily unavailable",
        );
      }
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  #release(mode: RepoLockMode): void {
    if (mode === "shared") this.#shared--;
    else this.#exclusive--;
    if (this.#shared + this.#exclusive === 0) {
      this.#lock?.[Symbol.dispose]();
      this.#lock = undefined;
    } else if (this.#exclusive === 0 && this.#lock?.mode === "exclusive") this.#lock.tryChange("shared");
  }

  [Symbol.dispose](): void {
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }
}
