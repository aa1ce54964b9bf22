/**
 * `os-release` text: keys to values, unquoted as by a shell. Lines that are no assignment are passed over.
 */
export function parseOsRelease(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const raw of text.split("\n")) {
    const assignment = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/.exec(raw);
    if (assignment === null) continue;
    const [, key = "", value = ""] = assignment;
    values.set(key, unquote(value));
  }
  return values;
}

function unquote(value: string): string {
  if (value.length >= 2 && value.startsWith("'") && value.endsWith("'")) return value.slice(1, -1);
  const inner =
    value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  return inner.replace(/\\([$"\\`])/g, "$1");
}
