import type { CancelSignal } from "../signal.ts";

/** What a task is given beside its input. */
export interface TaskContext {
  /** Fires when the caller's signal does. Loops look at it; nothing else stops a task that runs. */
  readonly signal: CancelSignal;
  /** Hands the memory of a buffer in the output over instead of copying it. */
  transfer(buffer: ArrayBuffer): void;
}

/**
 * A function that can run on a worker. Input and output cross by structured clone. The worker finds it by importing
 * `module` and taking the export that is a task of this name.
 */
export interface Task<I, O> {
  readonly kind: "task";
  readonly module: string;
  readonly name: string;
  readonly run: (input: I, context: TaskContext) => O | Promise<O>;
}

/**
 * Defines a task; the module must export it.
 *
 *     export const countBytes = defineTask(import.meta.url, "countBytes", (input: { fd: number }) => ...);
 */
export function defineTask<I, O>(
  module: string,
  name: string,
  run: (input: I, context: TaskContext) => O | Promise<O>,
): Task<I, O> {
  return { kind: "task", module, name, run };
}

export function isTask(value: unknown): value is Task<unknown, unknown> {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "task";
}
