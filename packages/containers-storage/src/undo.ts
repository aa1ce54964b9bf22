import { withContext } from "@bootc-store/core";

/**
 * Takes back what was done before an error, and throws the error again. Where that fails too, the error says so; what is
 * left then is what somebody who died would have left, and is found by the same means.
 */
export async function undo(error: unknown, work: () => Promise<void> | void): Promise<never> {
  try {
    await work();
  } catch (second) {
    const message = second instanceof Error ? second.message : String(second);
    await withContext({ notTakenBack: message }, () => {
      throw error;
    });
  }
  throw error;
}
