import { printable } from "@bootc-store/core";

import { treeErrors } from "../errors.ts";
import { ByteSet, ESCAPE_SETS } from "./byte-set.ts";

// The part of PCRE that file_contexts files use, parsed into a value, so that what it means is decided here and
// not by a second regular-expression engine: bytes and not characters, and nothing that is read in two ways.
// What has a memory (back references, possessive and atomic groups) is refused by name.

export type Pattern =
  | { readonly type: "set"; readonly set: ByteSet }
  | { readonly type: "sequence"; readonly parts: readonly Pattern[] }
  | { readonly type: "choice"; readonly options: readonly Pattern[] }
  | { readonly type: "repeat"; readonly part: Pattern; readonly min: number; readonly max: number }
  /** `(?=…)`, `(?!…)`, `(?<=…)`, `(?<!…)` */
  | { readonly type: "look"; readonly part: Pattern; readonly behind: boolean; readonly negated: boolean }
  /** `^`: the beginning; `$`: the end, or before a newline that is the last byte if `newline` is true. */
  | { readonly type: "begin" }
  | { readonly type: "end"; readonly newline: boolean };

/** As libselinux: longer patterns are not compiled. */
const MAX_LENGTH = 4096;
const MAX_NESTING = 100;
/** As PCRE. */
const MAX_COUNT = 65_535;

export interface PatternOptions {
  /** Whether `$` is also before a newline that is the last byte. */
  readonly newlineBeforeEnd: boolean;
  /** Whether `.` is also a newline; by default it is. */
  readonly dotIsNewline?: boolean;
}

/** Parses a pattern of bytes. Throws `tree/label-regex-unsupported`. */
export function parsePattern(source: string, options: PatternOptions): Pattern {
  if (source.length > MAX_LENGTH + 3) throw refused(source.slice(0, 200), "it is too long");
  return new Parser(source, options).parse();
}

class Parser {
  readonly #source: string;
  readonly #newlineBeforeEnd: boolean;
  readonly #dot: ByteSet;
  #at = 0;

  constructor(source: string, options: PatternOptions) {
    this.#source = source;
    this.#newlineBeforeEnd = options.newlineBeforeEnd;
    this.#dot = options.dotIsNewline === false ? ByteSet.of(0x0a).inverted() : ByteSet.all;
  }

  parse(): Pattern {
    const pattern = this.#choice(0);
    if (this.#at < this.#source.length) throw this.#refused("a parenthesis is not open");
    return pattern;
  }

  #choice(nesting: number): Pattern {
    if (nesting > MAX_NESTING) throw this.#refused("groups are nested too deeply");
    const options = [this.#sequence(nesting)];
    while (this.#take("|")) options.push(this.#sequence(nesting));
    return options.length === 1 && options[0] !== undefined ? options[0] : { type: "choice", options };
  }

  #sequence(nesting: number): Pattern {
    const parts: Pattern[] = [];
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")"; next = this.#peek()) {
      parts.push(this.#repeated(this.#atom(nesting)));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { type: "sequence", parts };
  }

  #repeated(atom: Pattern): Pattern {
    const count = this.#count();
    if (count === undefined) return atom;
    if (atom.type === "begin" || atom.type === "end" || atom.type === "look") {
      throw this.#refused("an anchor or a look-around is repeated");
    }
    if (this.#peek() === "+") throw this.#refused("possessive repeats are not supported");
    // Whether a repeat is lazy decides what a group holds, not whether there is a match.
    this.#take("?");
    if (this.#count() !== undefined) throw this.#refused("a repeat is repeated");
    return { type: "repeat", part: atom, ...count };
  }

  #count(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    if (this.#peek() !== "{") return undefined;
    const counts = /^\{(\d{1,5})(?:(,)(\d{1,5})?)?\}/.exec(this.#source.slice(this.#at, this.#at + 16));
    if (counts === null) throw this.#refused("a brace is no count, and versions of PCRE disagree on it");
    this.#at += counts[0].length;
    const min = Number(counts[1]);
    const max = counts[2] === undefined ? min : counts[3] === undefined ? Infinity : Number(counts[3]);
    if (min > MAX_COUNT || max < min || (max > MAX_COUNT && max !== Infinity)) {
      throw this.#refused("a count is out of range");
    }
    return { min, max };
  }

  #atom(nesting: number): Pattern {
    const next = this.#source[this.#at++] as string;
    switch (next) {
      case ".":
        return { type: "set", set: this.#dot };
      case "^":
        return { type: "begin" };
      case "$":
        return { type: "end", newline: this.#newlineBeforeEnd };
      case "[":
        return { type: "set", set: this.#class() };
      case "\\":
        return { type: "set", set: this.#escape(false) };
      case "(":
        return this.#group(nesting);
      case "*":
      case "+":
      case "?":
      case "{":
        throw this.#refused("there is nothing to repeat");
      default:
        return { type: "set", set: ByteSet.of(this.#byte(next)) };
    }
  }

  #group(nesting: number): Pattern {
    const look = /^\?(<?)([=!])/.exec(this.#source.slice(this.#at, this.#at + 3));
    if (look !== null) this.#at += look[0].length;
    else if (this.#peek() === "?" && this.#source[this.#at + 1] === ":") this.#at += 2;
    else if (this.#peek() === "?") throw this.#refused("groups with (? are not supported");
    else if (this.#peek() === "*") throw this.#refused("verbs with (* are not supported");
    const part = this.#choice(nesting + 1);
    if (!this.#take(")")) throw this.#refused("a parenthesis is not closed");
    if (look !== null) {
      const behind = look[1] === "<";
      if (behind && !hasFixedLengths(part)) throw this.#refused("a look-behind has no fixed length");
      return { type: "look", part, behind, negated: look[2] === "!" };
    }
    // In a group an anchor is one thing that a repeat can follow; by itself it is not.
    return part.type === "begin" || part.type === "end" || part.type === "look"
      ? { type: "sequence", parts: [part] }
      : part;
  }

  #class(): ByteSet {
    const negated = this.#take("^");
    const set = new ByteSet();
    if (this.#peek() === "]") throw this.#refused("a bracket comes first in its class");
    for (;;) {
      const next = this.#source[this.#at++];
      if (next === undefined) throw this.#refused("a class is not closed");
      if (next === "]") break;
      if (next === "[" && /^[:.=]/.test(this.#source.slice(this.#at))) {
        throw this.#refused("classes by name are not supported");
      }
      const low = next === "\\" ? this.#escape(true) : ByteSet.of(this.#byte(next));
      if (this.#peek() !== "-" || this.#source[this.#at + 1] === "]" || this.#at + 1 >= this.#source.length) {
        set.addSet(low);
        continue;
      }
      this.#at++;
      const end = this.#source[this.#at++] as string;
      if (end === "[") throw this.#refused("a range ends with a bracket");
      const high = end === "\\" ? this.#escape(true) : ByteSet.of(this.#byte(end));
      const [from, to] = [low.single, high.single];
      if (from === undefined || to === undefined) throw this.#refused("a range ends with a class");
      if (from > to) throw this.#refused("a range runs backwards");
      set.addRange(from, to);
    }
    return negated ? set.inverted() : set;
  }

  #escape(inClass: boolean): ByteSet {
    const letter = this.#source[this.#at++];
    if (letter === undefined) throw this.#refused("it ends with a backslash");
    if (Object.hasOwn(ESCAPE_SETS, letter)) return new ByteSet().addSet(ESCAPE_SETS[letter] as ByteSet);
    if (/[^0-9A-Za-z]/.test(letter)) return ByteSet.of(this.#byte(letter));
    if (Object.hasOwn(CONTROLS, letter)) return ByteSet.of(CONTROLS[letter] as number);
    if (letter === "x") {
      const digits = this.#source.slice(this.#at, this.#at + 2);
      if (/^[0-9A-Fa-f]{2}$/.test(digits)) {
        this.#at += 2;
        return ByteSet.of(Number.parseInt(digits, 16));
      }
    }
    throw this.#refused(`\\${letter}${inClass ? " in a class" : ""} is not supported`);
  }

  #byte(character: string): number {
    const byte = character.charCodeAt(0);
    if (byte > 0xff) throw this.#refused("it is not a string of bytes");
    return byte;
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #take(character: string): boolean {
    if (this.#source[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #refused(why: string): Error {
    return refused(this.#source, why);
  }
}

/** Whether each of the options at the top has one length, as PCRE wants it of a look-behind. */
function hasFixedLengths(pattern: Pattern): boolean {
  const options = pattern.type === "choice" ? pattern.options : [pattern];
  return options.every((option) => lengthOf(option) !== undefined);
}

function lengthOf(pattern: Pattern): number | undefined {
  switch (pattern.type) {
    case "set":
      return 1;
    case "sequence":
      return pattern.parts.reduce<number | undefined>((sum, part) => {
        const length = lengthOf(part);
        return sum === undefined || length === undefined ? undefined : sum + length;
      }, 0);
    case "choice": {
      const [first, ...others] = pattern.options.map(lengthOf);
      return others.every((length) => length === first) ? first : undefined;
    }
    case "repeat": {
      const length = lengthOf(pattern.part);
      return length === undefined || pattern.min !== pattern.max ? undefined : length * pattern.min;
    }
    default:
      return 0;
  }
}

/** Whether there is a look-around in it, which only an engine that goes back can do. */
export function hasLookAround(pattern: Pattern): boolean {
  switch (pattern.type) {
    case "sequence":
      return pattern.parts.some(hasLookAround);
    case "choice":
      return pattern.options.some(hasLookAround);
    case "repeat":
      return hasLookAround(pattern.part);
    default:
      return pattern.type === "look";
  }
}

const CONTROLS: { readonly [letter: string]: number } = { a: 7, t: 9, n: 10, f: 12, r: 13, e: 27 };

function refused(source: string, why: string): Error {
  return treeErrors.error(
    "label-regex-unsupported",
    `the regular expression "${printable(source)}" is not supported: ${why}`,
  );
}
