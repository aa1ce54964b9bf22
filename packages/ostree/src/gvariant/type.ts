import { ostreeErrors } from "../errors.ts";

/**
 * A parsed type. `size` is the number of bytes of every value, for types whose values all take the same; `align` is 1,
 * 2, 4 or 8.
 */
export type Type = BasicType | VariantType | MaybeType | ArrayType | TupleType;

interface Layout {
  /** The type string. */
  readonly text: string;
  readonly align: 1 | 2 | 4 | 8;
  readonly size: number | undefined;
  /** Levels of containers, 1 for a basic type. */
  readonly depth: number;
}

export type BasicLetter = "y" | "b" | "n" | "q" | "i" | "u" | "x" | "t" | "h" | "d" | "s" | "o" | "g";

export interface BasicType extends Layout {
  readonly kind: "basic";
  readonly letter: BasicLetter;
}

/** `v`: a value with its type. */
export interface VariantType extends Layout {
  readonly kind: "variant";
}

/** `mX`: a value or nothing. */
export interface MaybeType extends Layout {
  readonly kind: "maybe";
  readonly element: Type;
}

/** `aX`. */
export interface ArrayType extends Layout {
  readonly kind: "array";
  readonly element: Type;
}

/** `(...)`, and `{kv}`, which is laid out in the same way. */
export interface TupleType extends Layout {
  readonly kind: "tuple";
  readonly entry: boolean;
  readonly members: readonly Type[];
  /** How many framing offsets a value has: one for each member without a fixed size, but for the last member. */
  readonly offsets: number;
}

const BASIC: {
  readonly [letter in BasicLetter]: { readonly size: number | undefined; readonly align: 1 | 2 | 4 | 8 };
} = {
  y: { size: 1, align: 1 },
  b: { size: 1, align: 1 },
  n: { size: 2, align: 2 },
  q: { size: 2, align: 2 },
  i: { size: 4, align: 4 },
  u: { size: 4, align: 4 },
  h: { size: 4, align: 4 },
  x: { size: 8, align: 8 },
  t: { size: 8, align: 8 },
  d: { size: 8, align: 8 },
  s: { size: undefined, align: 1 },
  o: { size: undefined, align: 1 },
  g: { size: undefined, align: 1 },
};

const BASIC_TYPES: ReadonlyMap<string, BasicType> = new Map(
  Object.entries(BASIC).map(([letter, { size, align }]) => [
    letter,
    { kind: "basic", letter: letter as BasicLetter, text: letter, size, align, depth: 1 },
  ]),
);

const VARIANT: VariantType = { kind: "variant", text: "v", size: undefined, align: 8, depth: 1 };

/** Containers within containers, as GLib limits them. */
export const MAX_DEPTH = 128;

/** Types are parsed once, for as many as this; a stranger's types beyond it are parsed each time. */
const CACHE_SIZE = 256;
const cache = new Map<string, Type>();

/** The type that a string describes, one complete type. Throws `ostree/variant-type-invalid`. */
export function parseType(text: string): Type {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const parser = new TypeParser(text);
  const type = parser.parse(1);
  if (parser.position !== text.length) throw parser.invalid("something follows the type");
  if (cache.size < CACHE_SIZE && text.length <= 128) cache.set(text, type);
  return type;
}

/** Whether a text is one complete type. */
export function isTypeString(text: string): boolean {
  try {
    parseType(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether a text is any number of complete types after one another, at most 255 characters: D-Bus calls it a signature. */
export function isSignature(text: string): boolean {
  if (text.length > 255) return false;
  try {
    const parser = new TypeParser(text);
    while (parser.position < text.length) parser.parse(1);
    return true;
  } catch {
    return false;
  }
}

class TypeParser {
  readonly #text: string;
  position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(depth: number): Type {
    if (depth > MAX_DEPTH) throw this.invalid(`more than ${MAX_DEPTH} containers in one another`);
    const start = this.position;
    const letter = this.#text[this.position++];
    if (letter === undefined) throw this.invalid("the type is not complete");
    const basic = BASIC_TYPES.get(letter);
    if (basic !== undefined) return basic;
    switch (letter) {
      case "v":
        return VARIANT;
      case "a":
      case "m": {
        const element = this.parse(depth + 1);
        return {
          kind: letter === "a" ? "array" : "maybe",
          text: this.#text.slice(start, this.position),
          element,
          align: element.align,
          size: undefined,
          depth: element.depth + 1,
        };
      }
      case "(":
        return this.#tuple(start, depth);
      case "{":
        return this.#entry(start, depth);
      default:
        this.position = start;
        throw this.invalid("no type begins like this");
    }
  }

  #tuple(start: number, depth: number): TupleType {
    const members: Type[] = [];
    while (this.#text[this.position] !== ")") members.push(this.parse(depth + 1));
    this.position++;
    return tupleType(this.#text.slice(start, this.position), members, false);
  }

  #entry(start: number, depth: number): TupleType {
    const key = this.parse(depth + 1);
    if (key.kind !== "basic") throw this.invalid("the key of a dictionary entry is not a basic type");
    const value = this.parse(depth + 1);
    if (this.#text[this.position] !== "}")
      throw this.invalid("a dictionary entry has a key and a value, no more");
    this.position++;
    return tupleType(this.#text.slice(start, this.position), [key, value], true);
  }

  invalid(problem: string): Error {
    const shown = this.#text.length > 80 ? `${this.#text.slice(0, 80)}...` : this.#text;
    return ostreeErrors.error("variant-type-invalid", `"${shown}" at ${this.position}: ${problem}`, {
      context: { type: shown, offset: this.position },
    });
  }
}

function tupleType(text: string, members: readonly Type[], entry: boolean): TupleType {
  let align: 1 | 2 | 4 | 8 = 1;
  let size: number | undefined = 0;
  let offsets = 0;
  let depth = 0;
  for (const [at, member] of members.entries()) {
    if (member.align > align) align = member.align;
    if (member.depth > depth) depth = member.depth;
    if (member.size === undefined) {
      size = undefined;
      if (at < members.length - 1) offsets++;
    } else if (size !== undefined) size = alignUp(size, member.align) + member.size;
  }
  // A value of no bytes could not be told from nothing, so the empty tuple takes one.
  if (size !== undefined) size = members.length === 0 ? 1 : alignUp(size, align);
  return { kind: "tuple", text, entry, members, align, size, offsets, depth: depth + 1 };
}

/** The next multiple of an alignment. */
export function alignUp(position: number, align: number): number {
  return position + ((align - (position % align)) % align);
}

/** Bytes of one framing offset in a container of this many bytes, its offsets included. */
export function offsetWidth(containerSize: number): 1 | 2 | 4 | 8 {
  if (containerSize <= 0xff) return 1;
  if (containerSize <= 0xffff) return 2;
  return containerSize <= 0xffff_ffff ? 4 : 8;
}

/** The least width with which `body` bytes and `count` offsets can be told apart. */
export function offsetWidthFor(body: number, count: number): 1 | 2 | 4 | 8 {
  if (body + count <= 0xff) return 1;
  if (body + 2 * count <= 0xffff) return 2;
  return body + 4 * count <= 0xffff_ffff ? 4 : 8;
}
