import type { StoreError } from "./error.ts";
import { coreErrors } from "./errors.ts";

/** Throws `core/cancelled` if the signal has fired. Loops call it on each batch. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal);
}

/** The error with which a cancelled operation ends. */
export function cancelled(signal: AbortSignal): StoreError<"core/cancelled"> {
  return coreErrors.error("cancelled", "cancelled", { cause: signal.reason });
}

/**
 * Calls `onAbort` when the signal fires, at once if it has. Dispose of the result when the work is done,
 * so that a long-lived signal does not collect listeners.
 */
export function whenAborted(signal: AbortSignal | undefined, onAbort: () => void): Disposable {
  if (signal === undefined) return { [Symbol.dispose]() {} };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return {
    [Symbol.dispose]() {
      signal.removeEventListener("abort", onAbort);
    },
  };
}
