// JSON as the real tools write it: one line, no newline at the end, and `<`, `>`, `&`, U+2028 and U+2029 as
// escapes (Go's encoding/json). Readers take either; the same bytes make stores comparable.

const ESCAPED = /[<>&\u2028\u2029]/g;

/** Values that JSON has. Keys come in the order they have. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export function printJson(value: Json): string {
  return JSON.stringify(value).replace(
    ESCAPED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
