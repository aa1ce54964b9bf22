import { coreErrors } from "./errors.ts";

/**
 * Guards an object that holds something: `assertOpen()` in each method, `close(release)` in the disposer.
 * Disposing twice is fine, using after disposing is `core/use-after-dispose`.
 */
export class Lifetime {
  #disposed = false;
  readonly #what: string;

  /** @param what names the thing in the error: "repository", "pool". */
  constructor(what: string) {
    this.#what = what;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  assertOpen(): void {
    if (this.#disposed) throw coreErrors.error("use-after-dispose", `this ${this.#what} is closed`);
  }

  /** True the first time only: whoever gets it does the releasing. */
  end(): boolean {
    if (this.#disposed) return false;
    this.#disposed = true;
    return true;
  }
}
