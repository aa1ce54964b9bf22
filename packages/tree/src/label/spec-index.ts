import { type ByteString, StoreError } from "@bootc-store/core";

import type { InodeKind } from "../mode.ts";
import { type ContextLine, KIND_LETTERS } from "./file-contexts.ts";
import { compilePattern, type Matcher } from "./matcher.ts";
import { hasLookAround, parsePattern, type Pattern } from "./regex.ts";
import type { LabelDialect } from "./policy.ts";

/** As libselinux: below so many components, regular expressions are not sorted further. */
const MAX_STEM_DEPTH = 3;

interface Spec {
  readonly pattern: Pattern;
  readonly kind: InodeKind | undefined;
  readonly context: ByteString | undefined;
  /** Place among all lines; a later one wins. */
  readonly order: number;
  /** What the path, with the kind's letter where the dialect adds it, must begin with. */
  readonly prefix: string;
  /** What must be somewhere in it; the longest text that the pattern has outside of groups. */
  readonly needle: string;
  matcher: Matcher | undefined;
}

interface Literal {
  readonly kind: InodeKind | undefined;
  readonly context: ByteString | undefined;
}

/**
 * The lines of a policy, sorted by how they begin, as libselinux sorts them: a path is only tried against the
 * lines whose literal beginning it shares.
 */
export class SpecIndex {
  readonly #dialect: LabelDialect;
  readonly #literals = new Map<string, Literal[]>();
  /** By stem (components without metacharacters), lines from the last to the first. */
  readonly #nodes = new Map<string, Spec[]>();
  #count = 0;

  constructor(dialect: LabelDialect) {
    this.#dialect = dialect;
  }

  add(line: ContextLine, file: string): void {
    const { regex, kind, context } = line;
    const order = this.#count++;
    const literal = this.#dialect === "libselinux" ? literalOf(regex) : undefined;
    if (literal !== undefined) {
      const list = this.#literals.get(literal);
      // The list is searched in order, and a later line goes first.
      if (list === undefined) this.#literals.set(literal, [{ kind, context }]);
      else list.unshift({ kind, context });
      return;
    }
    const spec = this.#spec(line, file, order);
    const stem =
      this.#dialect === "libselinux" ? stemOf(regex, literalOf) : stemOf(spec.prefix, (part) => part);
    const list = this.#nodes.get(stem);
    if (list === undefined) this.#nodes.set(stem, [spec]);
    else list.push(spec);
  }

  finish(): void {
    for (const list of this.#nodes.values()) list.reverse();
  }

  find(path: ByteString, kind: InodeKind): ByteString | undefined {
    for (const literal of this.#literals.get(path) ?? []) {
      if (literal.kind === undefined || literal.kind === kind) return literal.context;
    }
    const text = this.#dialect === "libselinux" ? path : `${path}${KIND_LETTERS[kind]}`;
    let best: Spec | undefined;
    for (const list of this.#listsFor(path)) {
      for (const spec of list) {
        if (best !== undefined && spec.order < best.order) break;
        if (spec.kind !== undefined && spec.kind !== kind) continue;
        if (!text.startsWith(spec.prefix) || !text.includes(spec.needle)) continue;
        spec.matcher ??= compilePattern(spec.pattern);
        if (!spec.matcher.matches(text)) continue;
        best = spec;
        break;
      }
    }
    return best?.context;
  }

  #listsFor(path: string): Spec[][] {
    const lists: Spec[][] = [];
    let end = 0;
    for (let depth = 0; depth <= MAX_STEM_DEPTH; depth++) {
      const list = this.#nodes.get(path.slice(0, end));
      if (list !== undefined) lists.push(list);
      end = path.indexOf("/", end + 1);
      if (end < 0) break;
    }
    return lists;
  }

  #spec(line: ContextLine, file: string, order: number): Spec {
    const { regex, kind, context } = line;
    const library = this.#dialect === "libselinux";
    const source = library ? `^${regex}$` : `^(${regex})${kind === undefined ? "." : KIND_LETTERS[kind]}$`;
    try {
      let pattern = parsePattern(source, { newlineBeforeEnd: library });
      if (!library && hasLookAround(pattern)) {
        // composefs-rs gives these to PCRE, by whose defaults a dot is no newline.
        pattern = parsePattern(source, { newlineBeforeEnd: true, dotIsNewline: false });
      }
      // What cannot be matched in bounded time is refused now, with its line, and not at some path.
      const matcher = hasLookAround(pattern) ? compilePattern(pattern) : undefined;
      return { pattern, kind, context, order, ...literalsOf(pattern), matcher };
    } catch (error) {
      if (error instanceof StoreError)
        error.trail.push({ op: "read file contexts", path: `${file}:${line.line}` });
      throw error;
    }
  }
}

/** Characters that make libselinux take a line for a regular expression, and those that a backslash makes literal. */
const META = ".^$?*+|[({])}";
const ESCAPED = `${META}-_,`;

/** The path that a line without metacharacters stands for. */
function literalOf(regex: string): string | undefined {
  let literal = "";
  for (let at = 0; at < regex.length; at++) {
    let character = regex[at] as string;
    if (character === "\\") {
      character = regex[++at] ?? "";
      if (character === "" || !ESCAPED.includes(character)) return undefined;
    } else if (META.includes(character)) return undefined;
    literal += character;
  }
  return literal;
}

/** The leading components that are literal, `/usr/lib`, as many as libselinux sorts by. */
function stemOf(regex: string, toLiteral: (part: string) => string | undefined): string {
  let stem = "";
  let from = 0;
  for (let depth = 0; depth < MAX_STEM_DEPTH; depth++) {
    const slash = regex.indexOf("/", from + 1);
    if (slash < 0) break;
    if (slash === from + 1) {
      from = slash;
      depth--;
      continue;
    }
    const literal = toLiteral(regex.slice(from + 1, slash));
    if (literal === undefined) break;
    stem += `/${literal}`;
    from = slash;
  }
  return stem;
}

/** The bytes that whatever matches must begin with, and the longest run that it must have after them. */
function literalsOf(pattern: Pattern): { readonly prefix: string; readonly needle: string } {
  const runs = [""];
  for (const part of pattern.type === "sequence" ? pattern.parts : []) {
    if (part.type === "begin" || part.type === "end") continue;
    for (const one of part.type === "sequence" ? part.parts : [part]) {
      const byte = one.type === "set" ? one.set.single : undefined;
      if (byte === undefined) runs.push("");
      else runs[runs.length - 1] += String.fromCharCode(byte);
    }
  }
  const anchored = pattern.type === "sequence" && pattern.parts[0]?.type === "begin";
  const [first = "", ...others] = runs;
  const needle = others.reduce((longest, run) => (run.length > longest.length ? run : longest), "");
  return { prefix: anchored ? first : "", needle };
}
