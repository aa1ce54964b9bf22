import { decodeError, encodeError } from "./messages.ts";
import type { Task } from "./task.ts";

/**
 * Runs a task on this thread just as a worker would: input, output and errors cross by clone, so that what works here
 * works there.
 */
export async function runInline<I, O>(
  task: Task<I, O>,
  input: I,
  signals: readonly AbortSignal[],
  transfer: readonly ArrayBuffer[],
): Promise<O> {
  const outgoing: ArrayBuffer[] = [];
  const context = {
    signal: {
      get aborted() {
        return signals.some((signal) => signal.aborted);
      },
    },
    transfer: (buffer: ArrayBuffer) => void outgoing.push(buffer),
  };
  const given = structuredClone(input, { transfer: [...transfer] });
  let output: O;
  try {
    output = await task.run(given, context);
  } catch (error) {
    throw decodeError(structuredClone(encodeError(error)));
  }
  return structuredClone(output, { transfer: outgoing });
}
