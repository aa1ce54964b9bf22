// Arguments as the program takes them: `--flag`, `--flag=value`, `-f value`, `-fvalue` not, several booleans in one not.
// Flags of a command may follow its arguments.

/** How a flag is called, and whether it takes a value. */
export interface Flag {
  readonly names: readonly string[];
  readonly takes?: "value";
}

/** What a person got wrong: said on standard error, with this exit code. */
export class UsageError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

export class Flags {
  readonly #values = new Map<string, string[]>();

  add(name: string, value: string): void {
    const known = this.#values.get(name);
    if (known === undefined) this.#values.set(name, [value]);
    else known.push(value);
  }

  /** @param name the flag's first name. */
  is(name: string): boolean {
    const last = this.#values.get(name)?.at(-1);
    return last !== undefined && !["false", "0", "f", "F", "FALSE", "False"].includes(last);
  }

  value(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

/**
 * Takes flags out of the arguments. With `stopAtArgument` the first argument that is no flag ends them.
 * @param command for the message about a flag that does not exist
 */
export function parseFlags(
  args: readonly string[],
  known: readonly Flag[],
  options: { readonly command?: string; readonly stopAtArgument?: boolean } = {},
): { readonly flags: Flags; readonly rest: string[] } {
  const flags = new Flags();
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--") {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      if (options.stopAtArgument === true) {
        rest.push(...args.slice(at));
        break;
      }
      rest.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = (equals < 0 ? arg : arg.slice(0, equals)).replace(/^--?/, "");
    const flag = known.find((each) => each.names.includes(name));
    if (flag === undefined) {
      const help = ["containers-storage", ...(options.command === undefined ? [] : [options.command])].join(
        " ",
      );
      throw new UsageError(
        `flag provided but not defined: ${equals < 0 ? arg : arg.slice(0, equals)}\nSee '${help} --help'.`,
        125,
      );
    }
    const own = flag.names[0] as string;
    if (equals >= 0) flags.add(own, arg.slice(equals + 1));
    else if (flag.takes === "value") {
      const value = args[++at];
      if (value === undefined) throw new UsageError(`flag needs an argument: ${arg}`, 125);
      flags.add(own, value);
    } else flags.add(own, "true");
  }
  return { flags, rest };
}

const UNITS = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a duration as Go writes them: `1h30m`, `1.5s`, `0`. Throws {@link UsageError}. */
export function parseDuration(text: string): number {
  const bad = new UsageError(`time: invalid duration ${JSON.stringify(text)}`, 1);
  if (/^[+-]?0$/.test(text)) return 0;
  if (!/^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text)) throw bad;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g))
    total += Number(number) * UNITS[unit as keyof typeof UNITS];
  return text.startsWith("-") ? -total : total;
}
