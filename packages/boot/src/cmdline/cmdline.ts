// A kernel command line as a list of arguments. They are split at blanks outside of double quotes; each is kept as it is
// written, so that what is not changed comes out as it went in. Names compare with `-` and `_` as the same character.

import { bootErrors } from "../errors.ts";

/** One argument. */
export interface Karg {
  /** As written, quotes included. */
  readonly raw: string;
  readonly key: string;
  /** Absent where there is no `=`, which is something else than an empty value. */
  readonly value?: string;
}

const BLANKS = new Set([" ", "\t", "\n", "\r", "\f", "\v"]);

/** The arguments of a command line, in order. An unterminated quote runs to the end. */
export function parseKernelCmdline(text: string): Karg[] {
  const kargs: Karg[] = [];
  let quoted = false;
  let start = -1;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '"') quoted = !quoted;
    const ends = character === undefined || (!quoted && BLANKS.has(character));
    if (ends && start >= 0) {
      kargs.push(parseKarg(text.slice(start, at)));
      start = -1;
    } else if (!ends && start < 0) start = at;
  }
  return kargs;
}

/** One argument from its text: quotes around the whole or around the value are not part of them. */
export function parseKarg(raw: string): Karg {
  let text = raw;
  if (text.startsWith('"')) text = text.slice(1);
  if (text.endsWith('"')) text = text.slice(0, -1);
  const equals = text.indexOf("=");
  if (equals < 0) return { raw, key: text };
  const value = text.slice(equals + 1);
  return { raw, key: text.slice(0, equals), value: value.startsWith('"') ? value.slice(1) : value };
}

export function printKernelCmdline(kargs: readonly Karg[]): string {
  return kargs.map((karg) => karg.raw).join(" ");
}

/** Whether two names of arguments are the same to the kernel. */
export function sameKey(a: string, b: string): boolean {
  return a.replaceAll("_", "-") === b.replaceAll("_", "-");
}

export function sameKarg(a: Karg, b: Karg): boolean {
  return sameKey(a.key, b.key) && a.value === b.value;
}

/** A command line that can be asked and changed. */
export class KernelCmdline {
  readonly #kargs: Karg[];

  constructor(kargs: readonly Karg[] = []) {
    this.#kargs = [...kargs];
  }

  static parse(text: string): KernelCmdline {
    return new KernelCmdline(parseKernelCmdline(text));
  }

  get kargs(): readonly Karg[] {
    return this.#kargs;
  }

  has(key: string): boolean {
    return this.#kargs.some((karg) => sameKey(karg.key, key));
  }

  /**
   * Value of the first argument of that name, as bootc and ostree read it; the kernel itself usually goes by the last.
   * `undefined` if there is none, or if it has no `=`.
   */
  valueOf(key: string): string | undefined {
    return this.#kargs.find((karg) => sameKey(karg.key, key))?.value;
  }

  valuesOf(key: string): (string | undefined)[] {
    return this.#kargs.filter((karg) => sameKey(karg.key, key)).map((karg) => karg.value);
  }

  /** Appends an argument unless an equal one is there; says whether it was added. */
  add(raw: string): boolean {
    const karg = single(raw);
    if (this.#kargs.some((each) => sameKarg(each, karg))) return false;
    this.#kargs.push(karg);
    return true;
  }

  /** Puts an argument in the place of the first one of its name and removes the others; appends it if there is none. */
  addOrModify(raw: string): "added" | "modified" | "existed" {
    const karg = single(raw);
    const same = this.#kargs.filter((each) => sameKey(each.key, karg.key));
    if (same.length === 1 && sameKarg(same[0] as Karg, karg)) return "existed";
    const first = this.#kargs.findIndex((each) => sameKey(each.key, karg.key));
    if (first < 0) {
      this.#kargs.push(karg);
      return "added";
    }
    const rest = this.#kargs.filter((each, at) => at === first || !sameKey(each.key, karg.key));
    rest[first] = karg;
    this.#kargs.splice(0, this.#kargs.length, ...rest);
    return "modified";
  }

  /** Removes every argument of that name; says how many. */
  remove(key: string): number {
    return this.#keep((karg) => !sameKey(karg.key, key));
  }

  /** Removes every argument that equals this one; says how many. */
  removeExact(raw: string): number {
    const gone = single(raw);
    return this.#keep((karg) => !sameKarg(karg, gone));
  }

  /** Whether both have the same arguments, in whatever order. */
  equals(other: KernelCmdline): boolean {
    const key = ({ key, value }: Karg): string =>
      `${key.replaceAll("_", "-")}\0${value === undefined ? "" : `=${value}`}`;
    const one = this.#kargs.map(key).sort();
    const two = other.#kargs.map(key).sort();
    return one.length === two.length && one.every((each, at) => each === two[at]);
  }

  print(): string {
    return printKernelCmdline(this.#kargs);
  }

  #keep(wanted: (karg: Karg) => boolean): number {
    const rest = this.#kargs.filter(wanted);
    const removed = this.#kargs.length - rest.length;
    this.#kargs.splice(0, this.#kargs.length, ...rest);
    return removed;
  }
}

function single(raw: string): Karg {
  const [karg, ...more] = parseKernelCmdline(raw);
  if (karg !== undefined && more.length === 0 && karg.raw === raw) return karg;
  throw bootErrors.error("karg-invalid", `"${raw.slice(0, 200)}" is not one kernel argument`);
}
