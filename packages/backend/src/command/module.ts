import type { Command } from "@commander-js/extra-typings";

import type { CommandContext, DropInContext } from "./context.ts";

/** A group of commands. */
export interface CommandModule {
  readonly name: string;
  readonly summary: string;
  /** Adds its subcommands to `parent`, by `parent.command(…)`. Loads nothing that only running needs. */
  register(parent: Command, context: CommandContext): void;
}

/** A stand-in for another tool: takes its arguments, prints its output, returns its exit code. */
export interface DropIn {
  /** The tool's own name, by which the program is called. */
  readonly name: string;
  readonly summary: string;
  run(context: DropInContext): Promise<number>;
}
