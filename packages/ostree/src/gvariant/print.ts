import { parseType, type Type } from "./type.ts";
import type { Just, Variant } from "./value.ts";

/**
 * The text of a value as `g_variant_print` gives it.
 * @param annotate whether types are said where the text alone would not tell.
 */
export function printValue(type: string, value: unknown, annotate = true): string {
  return print(parseType(type), value, annotate);
}

function print(type: Type, value: unknown, annotate: boolean): string {
  switch (type.kind) {
    case "basic":
      return printBasic(type.letter, value, annotate);
    case "variant": {
      const held = value as Variant;
      return `<${print(parseType(held.type), held.value, true)}>`;
    }
    case "maybe": {
      const prefix = annotate ? `@${type.text} ` : "";
      return prefix + printMaybe(type, value);
    }
    case "tuple": {
      const values = value as readonly unknown[];
      const parts = type.members.map((member, at) => print(member, values[at], annotate));
      if (type.entry) return `{${parts.join(", ")}}`;
      return `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
    }
    default:
      return printArray(type.element, type.text, value, annotate);
  }
}

function printMaybe(type: Type, value: unknown): string {
  if (type.kind !== "maybe") return print(type, value, false);
  if (value === undefined) return "nothing";
  const { just } = value as Just<unknown>;
  // A value says that it is there, unless it is itself one that may be nothing.
  return type.element.kind === "maybe"
    ? `just ${printMaybe(type.element, just)}`
    : print(type.element, just, false);
}

function printArray(element: Type, text: string, value: unknown, annotate: boolean): string {
  if (text === "ay") {
    const bytes = value as Uint8Array;
    if (bytes.length > 0 && bytes.indexOf(0) === bytes.length - 1) {
      const escaped = escapeBytes(bytes.subarray(0, -1));
      return bytes.includes(0x27) ? `b"${escaped}"` : `b'${escaped}'`;
    }
  }
  const items: unknown[] = Array.from(value as Iterable<unknown>);
  const [open, close] = element.kind === "tuple" && element.entry ? "{}" : "[]";
  if (items.length === 0) return `${annotate ? `@${text} ` : ""}${open}${close}`;
  // The first says the type of all.
  const parts = items.map((item, at) => {
    const say = annotate && at === 0;
    if (element.kind !== "tuple" || !element.entry) return print(element, item, say);
    const [key, held] = item as readonly [unknown, unknown];
    return `${print(element.members[0] as Type, key, say)}: ${print(element.members[1] as Type, held, say)}`;
  });
  return `${open}${parts.join(", ")}${close}`;
}

const PREFIX: { readonly [letter: string]: string } = {
  y: "byte ",
  n: "int16 ",
  q: "uint16 ",
  u: "uint32 ",
  x: "int64 ",
  t: "uint64 ",
  h: "handle ",
  o: "objectpath ",
  g: "signature ",
};

function printBasic(letter: string, value: unknown, annotate: boolean): string {
  const prefix = annotate ? (PREFIX[letter] ?? "") : "";
  switch (letter) {
    case "y":
      return `${prefix}0x${(value as number).toString(16).padStart(2, "0")}`;
    case "d":
      return printDouble(value as number);
    case "s":
    case "o":
    case "g":
      return prefix + quote(value as string);
    default:
      return prefix + String(value);
  }
}

function printDouble(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const ESCAPES: { readonly [code: number]: string } = {
  7: "a",
  8: "b",
  9: "t",
  10: "n",
  11: "v",
  12: "f",
  13: "r",
};

function quote(text: string): string {
  const mark = text.includes("'") ? '"' : "'";
  let out = mark;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (character === mark || character === "\\") out += `\\${character}`;
    else if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) out += character;
    else if (ESCAPES[code] !== undefined) out += `\\${ESCAPES[code]}`;
    else
      out +=
        code < 0x10000
          ? `\\u${code.toString(16).padStart(4, "0")}`
          : `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return out + mark;
}

const BYTE_ESCAPES: { readonly [code: number]: string } = {
  8: "b",
  9: "t",
  10: "n",
  11: "v",
  12: "f",
  13: "r",
  0x22: '"',
  0x5c: "\\",
};

function escapeBytes(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) {
    const known = BYTE_ESCAPES[byte];
    if (known !== undefined) out += `\\${known}`;
    else if (byte < 0x20 || byte >= 0x7f) out += `\\${byte.toString(8).padStart(3, "0")}`;
    else out += String.fromCharCode(byte);
  }
  return out;
}
