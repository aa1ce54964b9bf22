import type { OptionSpecs, OptionValues } from "./arguments.ts";
import type { Cli } from "./context.ts";

/** One command of ostree. */
export interface OstreeCommand<S extends OptionSpecs = OptionSpecs> {
  readonly name: string;
  /** Of the positional arguments, for the usage. */
  readonly usage: string;
  readonly options: S;
  /** Commands below this one, which have options of their own: they get the arguments as they are. */
  readonly below?: (cli: Cli, argv: readonly string[]) => Promise<number>;
  run(cli: Cli, options: OptionValues<S & typeof COMMON>, args: readonly string[]): Promise<number | void>;
}

/** What every command takes. */
export const COMMON = {
  repo: { kind: "value" },
  verbose: { kind: "flag", short: "v" },
  version: { kind: "flag" },
  help: { kind: "flag", short: "h" },
} as const satisfies OptionSpecs;

export function command<const S extends OptionSpecs>(command: OstreeCommand<S>): OstreeCommand {
  return command;
}
