// Arguments as GOption reads them: `--name=value`, `--name value`, `-n value`, `-nvalue`, bundled letters, `--`, and
// options after positional arguments.

import { OstreeFailure } from "./failure.ts";

/** An option: its names, and whether it has a value; `list` may be given again and again. */
export interface OptionSpec {
  readonly short?: string;
  readonly kind: "flag" | "value" | "list" | "number";
}

export type OptionSpecs = { readonly [long: string]: OptionSpec };

type OptionValue<S extends OptionSpec> = S["kind"] extends "flag"
  ? boolean
  : S["kind"] extends "value"
    ? string | undefined
    : S["kind"] extends "number"
      ? number | undefined
      : readonly string[];

export type OptionValues<S extends OptionSpecs> = { readonly [K in keyof S]: OptionValue<S[K]> };

export interface ParsedArguments<S extends OptionSpecs> {
  readonly options: OptionValues<S>;
  readonly positional: readonly string[];
}

/** Throws {@link OstreeFailure} with GOption's message. */
export function parseArguments<const S extends OptionSpecs>(
  specs: S,
  args: readonly string[],
): ParsedArguments<S> {
  const values: { [name: string]: boolean | string | number | string[] | undefined } = {};
  const byShort = new Map<string, string>();
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.short !== undefined) byShort.set(spec.short, name);
    values[name] = spec.kind === "flag" ? false : spec.kind === "list" ? [] : undefined;
  }
  const set = (name: string, spec: OptionSpec, value: string, shown: string): void => {
    if (spec.kind === "list") (values[name] as string[]).push(value);
    else if (spec.kind === "number") {
      if (!/^[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(value)) {
        throw new OstreeFailure(`Cannot parse integer value “${value}” for ${shown}`);
      }
      values[name] = Number(value);
    } else values[name] = value;
  };
  const positional: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--") {
      positional.push(...args.slice(at + 1));
      break;
    }
    if (arg.startsWith("--")) {
      const equals = arg.indexOf("=");
      const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
      const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
      if (spec === undefined) throw new OstreeFailure(`Unknown option ${arg}`);
      if (spec.kind === "flag") {
        if (equals >= 0) throw new OstreeFailure(`Unknown option ${arg}`);
        values[name] = true;
      } else if (equals >= 0) set(name, spec, arg.slice(equals + 1), `--${name}`);
      else {
        const value = args[++at];
        if (value === undefined) throw new OstreeFailure(`Missing argument for --${name}`);
        set(name, spec, value, `--${name}`);
      }
    } else if (arg.startsWith("-") && arg !== "-") at = short(arg, at);
    else positional.push(arg);
  }
  return { options: values as OptionValues<S>, positional };

  function short(arg: string, at: number): number {
    for (let index = 1; index < arg.length; index++) {
      const letter = arg[index] as string;
      const name = byShort.get(letter);
      const spec = name === undefined ? undefined : specs[name];
      if (name === undefined || spec === undefined) throw new OstreeFailure(`Unknown option ${arg}`);
      if (spec.kind === "flag") {
        values[name] = true;
        continue;
      }
      const rest = arg.slice(index + 1);
      if (rest !== "") {
        set(name, spec, rest, `-${letter}`);
        return at;
      }
      const value = args[at + 1];
      if (value === undefined) throw new OstreeFailure(`Missing argument for -${letter}`);
      set(name, spec, value, `-${letter}`);
      return at + 1;
    }
    return at;
  }
}
