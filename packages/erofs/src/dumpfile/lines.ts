import type { ByteString } from "@bootc-store/core";

import { erofsErrors } from "../errors.ts";
import { unescapeField } from "./escape.ts";

export function syntax(line: number, message: string): Error {
  return erofsErrors.error("dump-syntax", message, { context: { line } });
}

export function badValue(line: number, message: string): Error {
  return erofsErrors.error("dump-value", message, { context: { line } });
}

export function badTree(line: number, message: string): Error {
  return erofsErrors.error("dump-tree", message, { context: { line } });
}

/** An escaped field's bytes. Throws `erofs/dump-syntax` with the message of the C parser. */
export function unescapeC(line: number, text: string): ByteString {
  const result = unescapeField(text);
  if ("value" in result) return result.value;
  switch (result.problem) {
    case "no-character":
      throw syntax(line, "No character after escape");
    case "no-hex":
      throw syntax(line, "No hex characters after hex escape");
    case "bad-hex":
      throw syntax(line, "Invalid hex characters after hex escape");
    default:
      throw syntax(line, `Unsupported escape type ${result.at}`);
  }
}

/** The same with the messages of composefs-rs. */
export function unescapeRs(line: number, text: string): ByteString {
  const result = unescapeField(text);
  if ("value" in result) return result.value;
  switch (result.problem) {
    case "no-character":
      throw syntax(line, "Unterminated escape");
    case "no-hex":
      throw syntax(line, "Unterminated hex escape");
    case "bad-hex":
      throw syntax(line, `Invalid hex escape ${result.at}: invalid digit found in string`);
    default:
      throw syntax(line, `Invalid escape ${result.at}`);
  }
}
