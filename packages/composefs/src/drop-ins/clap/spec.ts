// What a program of Rust's clap takes, as a table.

/** A value or the reason why it cannot be one, in the words of the program. */
export type Check = (text: string) => string | undefined;

export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** Name of the value in messages; none for a flag. */
  readonly value?: string;
  /** The only values there are. */
  readonly values?: readonly string[];
  readonly check?: Check;
  /** Can be given more than once. */
  readonly many?: boolean;
  readonly default?: string;
  readonly help: string;
  readonly conflicts?: readonly string[];
  readonly requires?: readonly string[];
  readonly required?: boolean;
  /** Works, and is in no help. */
  readonly hidden?: boolean;
}

export interface OperandSpec {
  readonly name: string;
  readonly required: boolean;
  /** Takes all that follow. */
  readonly many?: boolean;
  readonly check?: Check;
  readonly help: string;
}

export interface CommandSpec {
  /** As it is typed, with what is before it. */
  readonly path: string;
  readonly about: string;
  readonly options: readonly OptionSpec[];
  readonly operands: readonly OperandSpec[];
  readonly commands: readonly CommandSpec[];
  readonly version?: string;
  /** Other names of the last part of `path`. */
  readonly aliases?: readonly string[];
  readonly hidden?: boolean;
}

export function nameOf(command: CommandSpec): string {
  return command.path.split(" ").at(-1) ?? "";
}

/** `--name <VALUE>` as messages have it. */
export function shownOption({ name, value }: OptionSpec): string {
  return value === undefined ? `--${name}` : `--${name} <${value}>`;
}

export function shownOperand({ name, required, many }: OperandSpec): string {
  return `${required ? `<${name}>` : `[${name}]`}${many === true ? "..." : ""}`;
}
