import type { ByteSet } from "./byte-set.ts";
import { Program } from "./program.ts";
import type { Pattern } from "./regex.ts";

/** Whether a pattern is found in a string of bytes. */
export interface Matcher {
  matches(text: string): boolean;
}

/** Paths up to the kernel's PATH_MAX; JavaScript's engine goes back and forth, so longer text is not for it. */
const MAX_BACKTRACKED = 4096;
/** Two repeats without end and a few options: some tens of milliseconds at worst. */
const MAX_WAYS = 4 * MAX_BACKTRACKED ** 2;
/** A repeat of more than this counts as one without end. */
const SMALL_COUNT = 8;

/**
 * Compiles a pattern. Most go to JavaScript's own engine, which is fast and backtracks; those in which
 * that could take for ever, and very long text, go to a program that takes time in proportion to the length.
 */
export function compilePattern(pattern: Pattern): Matcher {
  return countWays(pattern) <= MAX_WAYS ? new NativeMatcher(pattern) : new Program(pattern);
}

class NativeMatcher implements Matcher {
  readonly #pattern: Pattern;
  readonly #regex: RegExp;
  #program: Program | undefined;

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
    this.#regex = new RegExp(printRegex(pattern));
  }

  matches(text: string): boolean {
    if (text.length <= MAX_BACKTRACKED) return this.#regex.test(text);
    this.#program ??= new Program(this.#pattern);
    return this.#program.matches(text);
  }
}

/**
 * In how many ways the engine could try a pattern on a long path before it gives up, at most: options add up,
 * what follows one another multiplies. A repeat without end of more than one position can be divided in
 * exponentially many ways.
 */
function countWays(pattern: Pattern): number {
  switch (pattern.type) {
    case "sequence":
      return pattern.parts.reduce((ways, part) => ways * countWays(part), 1);
    case "choice":
      return pattern.options.reduce((ways, option) => ways + countWays(option), 0);
    case "repeat": {
      const { part, min, max } = pattern;
      if (max > SMALL_COUNT) return part.type === "set" ? MAX_BACKTRACKED : Infinity;
      const ways = countWays(part);
      return ways ** min * (1 + ways) ** (max - min);
    }
    case "look":
      return countWays(pattern.part);
    default:
      return 1;
  }
}

/** The pattern in JavaScript's syntax, every byte and class spelt out. */
export function printRegex(pattern: Pattern): string {
  switch (pattern.type) {
    case "set":
      return printSet(pattern.set);
    case "sequence":
      return pattern.parts
        .map((part) => (part.type === "choice" ? `(?:${printRegex(part)})` : printRegex(part)))
        .join("");
    case "choice":
      return pattern.options.map(printRegex).join("|");
    case "repeat": {
      const { min, max, part } = pattern;
      return `(?:${printRegex(part)}){${min},${max === Infinity ? "" : max}}`;
    }
    case "look":
      return `(?${pattern.behind ? "<" : ""}${pattern.negated ? "!" : "="}${printRegex(pattern.part)})`;
    case "begin":
      return "^";
    default:
      return pattern.newline ? "(?=\\n?$)" : "$";
  }
}

function printSet(set: ByteSet): string {
  const { single } = set;
  if (single !== undefined) return printByte(single);
  const ranges = set
    .ranges()
    .map(([from, to]) => (from === to ? printByte(from) : `${printByte(from)}-${printByte(to)}`));
  return `[${ranges.join("")}]`;
}

function printByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[0-9A-Za-z/]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
}
