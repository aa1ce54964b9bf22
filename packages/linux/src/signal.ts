import { coreErrors } from "@bootc-store/core";

/** As much of an AbortSignal as a loop needs. In a worker it is a flag in shared memory. */
export interface CancelSignal {
  readonly aborted: boolean;
  readonly reason?: unknown;
}

/** Throws `core/cancelled` if the signal has fired. */
export function throwIfCancelled(signal: CancelSignal | undefined): void {
  if (signal?.aborted === true) throw coreErrors.error("cancelled", "cancelled", { cause: signal.reason });
}
