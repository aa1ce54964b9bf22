import { type ByteString, utf8 } from "@bootc-store/core";

import type { ModeOverride } from "../commit/modifier.ts";
import { OstreeFailure } from "./failure.ts";

const BOOLEANS: { readonly [word: string]: boolean } = {
  1: true,
  true: true,
  yes: true,
  0: false,
  false: false,
  no: false,
  none: false,
};

export function parseBoolean(word: string): boolean {
  const value = BOOLEANS[word];
  if (value === undefined) throw new OstreeFailure(`Invalid boolean argument '${word}'`);
  return value;
}

/** The lines of a file of paths. */
export function pathList(text: string): Set<ByteString> {
  return new Set(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => utf8(line)),
  );
}

/** Lines `N /path`, which adds bits, or `=N /path`, which sets them; N is decimal. */
export function statOverrides(text: string): Map<ByteString, ModeOverride> {
  const overrides = new Map<ByteString, ModeOverride>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const space = line.indexOf(" ");
    if (space < 0) throw new OstreeFailure("Malformed statoverride file (no space found)");
    const set = line.startsWith("=");
    const mode = Number.parseInt(line.slice(set ? 1 : 0, space), 10);
    overrides.set(utf8(line.slice(space + 1)), set ? { set: mode } : { add: Number.isNaN(mode) ? 0 : mode });
  }
  return overrides;
}
