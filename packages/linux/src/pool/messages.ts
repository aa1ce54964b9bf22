import { StoreError, type StoreErrorJson } from "@bootc-store/core";

/** To a worker: run this. One at a time. */
export interface RunMessage {
  readonly type: "run";
  readonly module: string;
  readonly name: string;
  readonly input: unknown;
}

/** What a worker is given at its start. */
export interface WorkerSetup {
  /** One 32-bit flag in shared memory; 1 means that the caller of the present task gave up. */
  readonly cancel: Int32Array<SharedArrayBuffer>;
}

/** From a worker: the task it was given has ended. */
export type ReplyMessage =
  | { readonly type: "done"; readonly output: unknown }
  | { readonly type: "failed"; readonly error: ErrorMessage };

/** An error as it crosses threads, since a structured clone would keep neither class, code nor context. */
export type ErrorMessage =
  | { readonly store: StoreErrorJson }
  | { readonly name: string; readonly message: string; readonly stack: string | undefined };

export function encodeError(error: unknown): ErrorMessage {
  if (error instanceof StoreError) return { store: error.toJSON() };
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack };
  return { name: "Error", message: String(error), stack: undefined };
}

export function decodeError(message: ErrorMessage): Error {
  if ("store" in message) return StoreError.fromJSON(message.store);
  const error = new Error(message.message);
  error.name = message.name;
  if (message.stack !== undefined) error.stack = message.stack;
  return error;
}
