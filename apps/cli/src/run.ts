// From arguments to an exit code: signals, the last rendering of errors, and by which name the program was called.
import { exitCodeOf } from "@bootc-store/backend/command";
import { printable, renderError, StoreError } from "@bootc-store/core";

import { AppContext } from "./context.ts";
import { standardOutput } from "./output/streams.ts";
import { calledAs, runDropIn } from "./drop-ins.ts";

export interface Call {
  readonly calledBy: string;
  readonly args: readonly string[];
  readonly version: string;
  /** The URL of the program's entry. */
  readonly main: string;
}

export async function run({ calledBy, args, version, main }: Call): Promise<number> {
  const { name, rest } = calledAs(calledBy, args);
  await using context = new AppContext();
  const stop = (): void => {
    // The second time the program ends at once, whatever it is doing.
    if (context.signal.aborted) process.exit(130);
    context.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    if (name !== "bootc-store") return await runDropIn(name, rest, context);
    standardOutput();
    const { runProgram } = await import("./program.ts");
    return await runProgram(rest, context, { version, main });
  } catch (error) {
    return report(error);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

/** Says on standard error what went wrong and what to try; only a mistake of ours is shown with its stack. */
function report(error: unknown): number {
  process.stderr.write(`bootc-store: ${renderError(error)}\n`);
  if (error instanceof StoreError && error.hint !== undefined)
    process.stderr.write(`${printable(error.hint)}\n`);
  if (!(error instanceof StoreError) || error.kind === "bug") {
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? "") : ""}\nThis is a mistake of the program's own.\n`,
    );
  }
  return exitCodeOf(error);
}
