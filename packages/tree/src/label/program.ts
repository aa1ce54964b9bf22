import { treeErrors } from "../errors.ts";
import type { ByteSet } from "./byte-set.ts";
import type { Pattern } from "./regex.ts";

type Instruction =
  | { readonly op: "set"; readonly set: ByteSet }
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "begin" }
  | { readonly op: "end"; readonly newline: boolean }
  | { readonly op: "found" };

/** Counted repeats are written out, so a small pattern could become a huge program. */
const MAX_INSTRUCTIONS = 20_000;

/**
 * A pattern as the program of a machine that is in all its possible states at once, so that one pass over the
 * text decides, whatever the pattern. It looks for the pattern anywhere; anchors are part of the pattern.
 */
export class Program {
  readonly #code: Instruction[] = [];

  constructor(pattern: Pattern) {
    this.#emit(pattern);
    this.#push({ op: "found" });
  }

  matches(text: string): boolean {
    let states = new Set<number>();
    const length = text.length;
    for (let at = 0; ; at++) {
      if (this.#enter(0, at, text, states)) return true;
      if (at >= length) return false;
      const byte = text.charCodeAt(at);
      const next = new Set<number>();
      for (const state of states) {
        const instruction = this.#code[state];
        if (instruction?.op !== "set" || !instruction.set.has(byte)) continue;
        if (this.#enter(state + 1, at + 1, text, next)) return true;
      }
      states = next;
    }
  }

  /** Adds a state and all that can be reached from it without a byte; true if that is the end of the pattern. */
  #enter(start: number, at: number, text: string, states: Set<number>): boolean {
    const stack = [start];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      if (states.has(state)) continue;
      states.add(state);
      const instruction = this.#code[state] as Instruction;
      switch (instruction.op) {
        case "found":
          return true;
        case "split":
          stack.push(instruction.second, instruction.first);
          break;
        case "begin":
          if (at === 0) stack.push(state + 1);
          break;
        case "end":
          if (at === text.length || (instruction.newline && at === text.length - 1 && text[at] === "\n")) {
            stack.push(state + 1);
          }
          break;
        default:
      }
    }
    return false;
  }

  #push<I extends Instruction>(instruction: I): I {
    if (this.#code.length >= MAX_INSTRUCTIONS) {
      throw treeErrors.error(
        "label-regex-unsupported",
        "a regular expression is too large with its repeats written out",
      );
    }
    this.#code.push(instruction);
    return instruction;
  }

  #emit(pattern: Pattern): void {
    switch (pattern.type) {
      case "set":
        this.#push({ op: "set", set: pattern.set });
        break;
      case "sequence":
        for (const part of pattern.parts) this.#emit(part);
        break;
      case "choice":
        this.#emitChoice(pattern.options);
        break;
      case "repeat":
        this.#emitRepeat(pattern.part, pattern.min, pattern.max);
        break;
      case "look":
        throw treeErrors.error(
          "label-regex-unsupported",
          "a regular expression with look-around could take for ever, or the path is too long for it",
        );
      case "begin":
        this.#push({ op: "begin" });
        break;
      case "end":
        this.#push({ op: "end", newline: pattern.newline });
        break;
    }
  }

  /** Each option but the last: split to it or to the next; at its end a jump over the rest. */
  #emitChoice(options: readonly Pattern[]): void {
    const jumps: { first: number; second: number }[] = [];
    for (const [at, option] of options.entries()) {
      if (at === options.length - 1) this.#emit(option);
      else {
        const split = this.#push({ op: "split", first: this.#code.length + 1, second: 0 });
        this.#emit(option);
        jumps.push(this.#push({ op: "split", first: 0, second: 0 }));
        split.second = this.#code.length;
      }
    }
    for (const jump of jumps) jump.first = jump.second = this.#code.length;
  }

  #emitRepeat(part: Pattern, min: number, max: number): void {
    for (let count = 0; count < min; count++) this.#emit(part);
    if (max === Infinity) {
      const split = this.#push({ op: "split", first: this.#code.length + 1, second: 0 });
      const start = this.#code.indexOf(split);
      this.#emit(part);
      this.#push({ op: "split", first: start, second: start });
      split.second = this.#code.length;
      return;
    }
    const splits: { second: number }[] = [];
    for (let count = min; count < max; count++) {
      splits.push(this.#push({ op: "split", first: this.#code.length + 1, second: 0 }));
      this.#emit(part);
    }
    for (const split of splits) split.second = this.#code.length;
  }
}
