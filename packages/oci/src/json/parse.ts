// JSON as it is read from strangers: no key twice, nothing after the end, a bounded depth. JSON.parse keeps the
// last of two keys silently, so that two readers could see two documents in the same signed bytes.

import { ociErrors } from "../errors.ts";

export type JsonValue = string | number | boolean | null | JsonObject | readonly JsonValue[];

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export interface ParseJsonOptions {
  /** What the text is, for messages: "manifest". */
  readonly what?: string;
  /** Nested objects and arrays at most; 64 unless given. */
  readonly depth?: number;
  /** Whether two keys that differ only in case are refused too, since Go's decoder takes them for one. */
  readonly caseless?: boolean;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Parses UTF-8 JSON. Objects have no prototype. Throws `oci/json-invalid`. */
export function parseJson(bytes: Uint8Array | string, options: ParseJsonOptions = {}): JsonValue {
  const what = options.what ?? "document";
  let text: string;
  try {
    text = typeof bytes === "string" ? bytes : decoder.decode(bytes);
  } catch {
    throw invalid(what, 0, "it is not UTF-8");
  }
  const parser = new Parser(text, what, options.depth ?? 64, options.caseless === true);
  return parser.document();
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
// oxlint-disable-next-line no-control-regex -- what JSON forbids in a string
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Parser {
  readonly #text: string;
  readonly #what: string;
  readonly #depth: number;
  readonly #caseless: boolean;
  #at = 0;

  constructor(text: string, what: string, depth: number, caseless: boolean) {
    this.#text = text;
    this.#what = what;
    this.#depth = depth;
    this.#caseless = caseless;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#invalid("something follows its end");
    return value;
  }

  #value(depth: number): JsonValue {
    this.#space();
    const character = this.#text[this.#at];
    if (character === "{") return this.#object(depth + 1);
    if (character === "[") return this.#array(depth + 1);
    if (character === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#invalid("a value is missing");
    this.#at += match[0].length;
    const number = Number(match[0]);
    if (!Number.isFinite(number)) throw this.#invalid("a number is too large");
    return number;
  }

  #object(depth: number): JsonObject {
    if (depth > this.#depth) throw this.#invalid("it is nested too deeply");
    const object = Object.create(null) as { [key: string]: JsonValue };
    const folded = new Set<string>();
    this.#at++;
    if (this.#skip("}")) return object;
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#invalid("a key is missing");
      const key = this.#string();
      const fold = this.#caseless ? key.toLowerCase() : key;
      if (folded.has(fold)) throw this.#invalid(`the key "${key.slice(0, 80)}" is there twice`);
      folded.add(fold);
      if (!this.#skip(":")) throw this.#invalid("a colon is missing");
      object[key] = this.#value(depth);
    } while (this.#skip(","));
    if (!this.#skip("}")) throw this.#invalid("an object does not end");
    return object;
  }

  #array(depth: number): JsonValue[] {
    if (depth > this.#depth) throw this.#invalid("it is nested too deeply");
    const array: JsonValue[] = [];
    this.#at++;
    if (this.#skip("]")) return array;
    do array.push(this.#value(depth));
    while (this.#skip(","));
    if (!this.#skip("]")) throw this.#invalid("an array does not end");
    return array;
  }

  #string(): string {
    let value = "";
    this.#at++;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      const plain = PLAIN.exec(this.#text)?.[0] ?? "";
      value += plain;
      this.#at += plain.length;
      const character = this.#text[this.#at];
      if (character === '"') {
        this.#at++;
        return value;
      }
      if (character !== "\\") throw this.#invalid("a string does not end");
      value += this.#escape();
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    const simple = ESCAPES[letter];
    if (simple !== undefined) {
      this.#at += 2;
      return simple;
    }
    const digits = this.#text.slice(this.#at + 2, this.#at + 6);
    if (letter !== "u" || !/^[0-9a-fA-F]{4}$/.test(digits))
      throw this.#invalid("an escape is not one of JSON's");
    this.#at += 6;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
  }

  #skip(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #invalid(problem: string): Error {
    return invalid(this.#what, this.#at, problem);
  }
}

const WORDS: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

function invalid(what: string, offset: number, problem: string): Error {
  return ociErrors.error("json-invalid", `${what}: at character ${offset}: ${problem}`, {
    context: { offset },
  });
}
