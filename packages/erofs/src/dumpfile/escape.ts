import type { ByteString } from "@bootc-store/core";

const LETTERS: { readonly [letter: string]: string } = { "\\": "\\", n: "\n", r: "\r", t: "\t" };
const ESCAPES: { readonly [byte: string]: string } = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Why an escape cannot be read. */
export type EscapeProblem = "no-character" | "no-hex" | "bad-hex";

/** The bytes of an escaped field, or what is wrong with it. A backslash before any other byte is `bad-escape`. */
export function unescapeField(
  text: string,
): { readonly value: ByteString } | { readonly problem: EscapeProblem | "bad-escape"; readonly at: string } {
  let value = "";
  let from = 0;
  for (let slash = text.indexOf("\\"); slash >= 0; slash = text.indexOf("\\", from)) {
    value += text.slice(from, slash);
    const letter = text[slash + 1];
    if (letter === undefined) return { problem: "no-character", at: "" };
    if (letter === "x") {
      const digits = text.slice(slash + 2, slash + 4);
      if (digits.length < 2) return { problem: "no-hex", at: digits };
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) return { problem: "bad-hex", at: digits };
      value += String.fromCharCode(Number.parseInt(digits, 16));
      from = slash + 4;
    } else {
      const plain = LETTERS[letter];
      if (plain === undefined) return { problem: "bad-escape", at: letter };
      value += plain;
      from = slash + 2;
    }
  }
  return { value: (value + text.slice(from)) as ByteString };
}

/** What a field may be taken for, so that it must be escaped. */
export interface EscapeOptions {
  /** In extended attributes, where it ends the name. */
  readonly equals?: boolean;
  /** In fields where a dash alone means that there is nothing. */
  readonly loneDash?: boolean;
}

/** A field as both printers write it: what is not a visible ASCII character as an escape. */
export function escapeField(value: ByteString, options: EscapeOptions = {}): string {
  if (options.loneDash === true && value === "-") return "\\x2d";
  const text = value.replace(/[^\x21-\x7e]|\\/g, (byte) => ESCAPES[byte] ?? hex(byte));
  return options.equals === true ? text.replaceAll("=", "\\x3d") : text;
}

function hex(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
