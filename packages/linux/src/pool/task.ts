import type { CancelSignal } from "../signal.ts";

/** What a task is given beside its input. */
export interface TaskContext {
  /** Fires when the caller's signal does. Loops look at it; nothing else stops a task that runs. */
  readonly signal: CancelSignal;
  /** Hands the memory of a buffer in the output over instead of copying it. */
  transfer(buffer: ArrayBuffer): void;
}

/**
 * A function that can run on a worker. Input and output cross by structured clone. The worker imports `module`, which
 * defines its tasks as it is loaded, and takes the one of this name.
 */
export interface Task<I, O> {
  readonly kind: "task";
  readonly module: string;
  readonly name: string;
  readonly run: (input: I, context: TaskContext) => O | Promise<O>;
}

const defined = new Map<string, Task<unknown, unknown>>();

/**
 * Defines a task. It is known by where it was defined and not by what is exported, so that it is found too where
 * modules were bundled; in one module, or one bundle, names differ.
 *
 *     export const countBytes = defineTask(import.meta.url, "countBytes", (input: { fd: number }) => ...);
 */
export function defineTask<I, O>(
  module: string,
  name: string,
  run: (input: I, context: TaskContext) => O | Promise<O>,
): Task<I, O> {
  const task: Task<I, O> = { kind: "task", module, name, run };
  defined.set(keyOf(module, name), task as Task<unknown, unknown>);
  return task;
}

/** The task of this name that a module defined when it was loaded by this thread. */
export function definedTask(module: string, name: string): Task<unknown, unknown> | undefined {
  return defined.get(keyOf(module, name));
}

function keyOf(module: string, name: string): string {
  return `${name} ${module}`;
}
