// Command lines as clap of Rust reads them, and what it says of those that are wrong.

import { helpOf, usageOf } from "./help.ts";
import { similarNames } from "./similar.ts";
import { type CommandSpec, nameOf, type OptionSpec, shownOperand, shownOption } from "./spec.ts";

/** What was given, by names of options and operands. */
export interface ParsedCommand {
  readonly spec: CommandSpec;
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** The command that follows, where this one has some. */
  readonly command?: ParsedCommand;
}

/** The program is to print something and end: its help on standard output, what is wrong on standard error. */
export class ClapExit extends Error {
  override readonly name = "ClapExit";
  readonly code: 0 | 2;
  readonly text: string;

  constructor(code: 0 | 2, text: string) {
    super(text);
    this.code = code;
    this.text = text;
  }
}

/** Throws {@link ClapExit}. */
export function parseCommand(spec: CommandSpec, argv: readonly string[]): ParsedCommand {
  return new Line(spec, argv).parse();
}

class Line {
  readonly #spec: CommandSpec;
  readonly #argv: readonly string[];
  readonly #values = new Map<string, string[]>();
  #at = 0;
  #operands = 0;

  constructor(spec: CommandSpec, argv: readonly string[]) {
    this.#spec = spec;
    this.#argv = argv;
  }

  parse(): ParsedCommand {
    let plain = false;
    while (this.#at < this.#argv.length) {
      const word = this.#argv[this.#at++] ?? "";
      if (!plain && word === "--") plain = true;
      else if (!plain && word.startsWith("--")) this.#long(word);
      else if (!plain && word.startsWith("-") && word !== "-") this.#shorts(word);
      else if (this.#spec.commands.length > 0) return this.#subcommand(word);
      else this.#operand(word);
    }
    if (this.#spec.commands.length > 0) throw new ClapExit(2, helpOf(this.#spec, false));
    this.#finish();
    return { spec: this.#spec, values: this.#values };
  }

  #subcommand(word: string): ParsedCommand {
    const rest = this.#argv.slice(this.#at);
    if (word === "help") throw this.#help(rest);
    const found = findCommand(this.#spec, word);
    if (found === undefined) throw this.#unknownCommand(word);
    this.#finish();
    return { spec: this.#spec, values: this.#values, command: parseCommand(found, rest) };
  }

  #help(words: readonly string[]): ClapExit {
    let spec = this.#spec;
    for (const word of words) {
      const found = findCommand(spec, word);
      if (found === undefined) return new Line(spec, []).#unknownCommand(word);
      spec = found;
    }
    return new ClapExit(0, helpOf(spec, true));
  }

  #unknownCommand(word: string): ClapExit {
    const names = this.#spec.commands.filter(({ hidden }) => hidden !== true).flatMap(namesOf);
    const like = similarNames(word, [...names, "help"]);
    const tip =
      like.length === 0
        ? []
        : like.length === 1
          ? [`  tip: a similar subcommand exists: '${like[0] ?? ""}'`]
          : [`  tip: some similar subcommands exist: ${like.map((each) => `'${each}'`).join(", ")}`];
    return this.#wrong([`unrecognized subcommand '${word}'`, ...tip], usageOf(this.#spec));
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    if (name === "help") throw new ClapExit(0, helpOf(this.#spec, true));
    if (name === "version" && this.#spec.version !== undefined) throw this.#version();
    const option = this.#spec.options.find((each) => each.name === name);
    if (option === undefined) throw this.#unknownOption(`--${name}`);
    this.#take(option, value);
  }

  #shorts(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] ?? "";
      if (letter === "h") throw new ClapExit(0, helpOf(this.#spec, false));
      if (letter === "V" && this.#spec.version !== undefined) throw this.#version();
      const option = this.#spec.options.find(({ short }) => short === letter);
      if (option === undefined) throw this.#unknownOption(`-${letter}`);
      if (option.value === undefined) {
        this.#take(option, undefined);
        continue;
      }
      const rest = word.slice(at + 1).replace(/^=/, "");
      this.#take(option, rest === "" ? undefined : rest);
      return;
    }
  }

  #version(): ClapExit {
    return new ClapExit(0, `${nameOf(this.#spec)} ${this.#spec.version ?? ""}\n`);
  }

  #take(option: OptionSpec, attached: string | undefined): void {
    if (option.value === undefined) {
      if (attached !== undefined) {
        throw this.#wrong(
          [`unexpected value '${attached}' for '--${option.name}' found; no more were expected`],
          usageOf(this.#spec, [option]),
        );
      }
      this.#keep(option, "true");
      return;
    }
    let value = attached;
    const next = this.#argv[this.#at];
    if (value === undefined && next !== undefined && (next === "-" || !next.startsWith("-"))) {
      value = next;
      this.#at++;
    }
    if (value === undefined) {
      const possible =
        option.values === undefined ? [] : [`  [possible values: ${option.values.join(", ")}]`];
      throw this.#wrong([
        `a value is required for '${shownOption(option)}' but none was supplied`,
        ...possible,
      ]);
    }
    if (option.values?.includes(value) === false) {
      throw this.#wrong([
        `invalid value '${value}' for '${shownOption(option)}'`,
        `  [possible values: ${option.values.join(", ")}]`,
      ]);
    }
    this.#check(option.check, value, shownOption(option));
    this.#keep(option, value);
  }

  #keep(option: OptionSpec, value: string): void {
    const known = this.#values.get(option.name);
    if (known === undefined) this.#values.set(option.name, [value]);
    else if (option.many === true) known.push(value);
    else {
      throw this.#wrong(
        [`the argument '${shownOption(option)}' cannot be used multiple times`],
        usageOf(this.#spec),
      );
    }
  }

  #operand(word: string): void {
    const operand = this.#spec.operands[this.#operands];
    if (operand === undefined)
      throw this.#wrong([`unexpected argument '${word}' found`], usageOf(this.#spec));
    const known = this.#values.get(operand.name);
    if (known === undefined) this.#values.set(operand.name, [word]);
    else known.push(word);
    if (operand.many !== true) this.#operands++;
  }

  #check(check: OptionSpec["check"], value: string, shown: string): void {
    const problem = check?.(value);
    if (problem !== undefined) throw this.#wrong([`invalid value '${value}' for '${shown}': ${problem}`]);
  }

  #unknownOption(word: string): ClapExit {
    const known = this.#spec.options.filter(({ hidden }) => hidden !== true);
    const like = word.startsWith("--")
      ? similarNames(
          word.slice(2),
          known.map(({ name }) => name),
        ).at(-1)
      : undefined;
    const option = known.find(({ name }) => name === like);
    if (option !== undefined) {
      return this.#wrong(
        [`unexpected argument '${word}' found`, "", `  tip: a similar argument exists: '--${option.name}'`],
        usageOf(this.#spec, [option]),
      );
    }
    const given = this.#given();
    const used = this.#values.size === 0 || !word.startsWith("--") ? undefined : given;
    const tip =
      this.#spec.operands.length === 0 ? [] : ["", `  tip: to pass '${word}' as a value, use '-- ${word}'`];
    return this.#wrong([`unexpected argument '${word}' found`, ...tip], usageOf(this.#spec, used));
  }

  /** Options in the order in which they were given. */
  #given(): OptionSpec[] {
    return [...this.#values.keys()].flatMap(
      (name) => this.#spec.options.find((each) => each.name === name) ?? [],
    );
  }

  #finish(): void {
    for (const operand of this.#spec.operands) {
      for (const word of this.#values.get(operand.name) ?? [])
        this.#check(operand.check, word, shownOperand({ ...operand, many: false }));
    }
    const given = this.#given();
    for (const option of given) {
      for (const other of given) {
        if (other === option || !this.#conflict(option, other)) continue;
        throw this.#wrong(
          [`the argument '${shownOption(option)}' cannot be used with '${shownOption(other)}'`],
          usageOf(this.#spec, [option]),
        );
      }
    }
    const must = this.#spec.options.filter(({ required }) => required === true).map(({ name }) => name);
    const wanted = [...must, ...given.flatMap(({ requires = [] }) => requires)].filter(
      (name) => !this.#values.has(name),
    );
    const unrolled = this.#unrolled(wanted);
    const options = unrolled.filter(({ name }) => !this.#values.has(name));
    const operands = this.#spec.operands.filter(({ name, required }) => required && !this.#values.has(name));
    if (options.length + operands.length === 0) return;
    const missing = [...options.map(shownOption), ...operands.map(shownOperand)].map((each) => `  ${each}`);
    const used = [...new Set([...unrolled, ...given])];
    throw this.#wrong(
      ["the following required arguments were not provided:", ...missing],
      usageOf(this.#spec, used),
    );
  }

  /** Options with what they require before them, as far as that is not in a circle. */
  #unrolled(names: readonly string[]): OptionSpec[] {
    const found: OptionSpec[] = [];
    const seen = new Set<string>();
    const visit = (name: string): void => {
      const option = this.#spec.options.find((each) => each.name === name);
      if (option === undefined || seen.has(name)) return;
      seen.add(name);
      for (const each of option.requires ?? []) visit(each);
      found.push(option);
    };
    for (const name of names) visit(name);
    return found;
  }

  #conflict(a: OptionSpec, b: OptionSpec): boolean {
    return a.conflicts?.includes(b.name) === true || b.conflicts?.includes(a.name) === true;
  }

  #wrong(lines: readonly string[], usage?: string): ClapExit {
    const [first = "", ...more] = lines;
    const tip = more.length > 0 && (more[0] ?? "").startsWith("  tip:") ? ["", ...more] : more;
    const shown = usage === undefined ? [] : ["", usage];
    return new ClapExit(
      2,
      `${[`error: ${first}`, ...tip, ...shown, "", "For more information, try '--help'."].join("\n")}\n`,
    );
  }
}

function namesOf(command: CommandSpec): string[] {
  return [nameOf(command), ...(command.aliases ?? [])];
}

function findCommand(spec: CommandSpec, word: string): CommandSpec | undefined {
  return spec.commands.find((each) => namesOf(each).includes(word));
}
