// Command lines as getopt_long(3) of glibc reads them: options anywhere, long ones by any unambiguous beginning.

/** Whether a long option has a value. */
export type LongOptions<N extends string> = Readonly<Record<N, "flag" | "value">>;

export type ParsedOption<N extends string> =
  | { readonly name: N; readonly value: string }
  /** What is wrong with an option: the words getopt prints behind the program's name. */
  | { readonly problem: "missing-value" | "unknown"; readonly message: string };

export interface ParsedLine<N extends string> {
  /** In the order in which they were given, up to and with the first that is wrong. */
  readonly options: readonly ParsedOption<N>[];
  readonly operands: readonly string[];
}

/** Short options are not known to any of the tools here. */
export function parseOptions<N extends string>(
  argv: readonly string[],
  known: LongOptions<N>,
): ParsedLine<N> {
  const options: ParsedOption<N>[] = [];
  const operands: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") {
      operands.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const next = argv[at + 1];
    const found = word.startsWith("--") ? long(word, next, known) : unknownShort(word);
    options.push(found);
    if ("problem" in found) break;
    if (known[found.name] === "value" && !word.includes("=")) at++;
  }
  return { options, operands };
}

function unknownShort(word: string): ParsedOption<never> {
  return { problem: "unknown", message: `invalid option -- '${word.slice(1, 2)}'` };
}

function long<N extends string>(
  word: string,
  next: string | undefined,
  known: LongOptions<N>,
): ParsedOption<N> {
  const equals = word.indexOf("=");
  const text = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const value = equals < 0 ? undefined : word.slice(equals + 1);
  const names = Object.keys(known) as N[];
  const candidates = names.includes(text as N) ? [text as N] : names.filter((name) => name.startsWith(text));
  const [name] = candidates;
  if (name === undefined) return { problem: "unknown", message: `unrecognized option '--${text}'` };
  if (candidates.length > 1) {
    const list = candidates.map((each) => ` '--${each}'`).join("");
    return { problem: "unknown", message: `option '${word}' is ambiguous; possibilities:${list}` };
  }
  if (known[name] === "flag") {
    if (value === undefined) return { name, value: "" };
    return { problem: "unknown", message: `option '--${name}' doesn't allow an argument` };
  }
  if (value !== undefined) return { name, value };
  if (next !== undefined) return { name, value: next };
  return { problem: "missing-value", message: `option '--${name}' requires an argument` };
}
