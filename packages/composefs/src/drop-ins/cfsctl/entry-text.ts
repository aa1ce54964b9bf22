// The text of a boot entry of type 1, changed where it must be and kept letter for letter elsewhere.

/** Keys whose values are paths of files of the image. */
export const PATH_KEYS = ["linux", "initrd", "efi"] as const;

export class EntryText {
  readonly #lines: string[];

  constructor(text: string) {
    this.#lines = text.split("\n");
    // What ends a line is no line of its own.
    if (this.#lines.at(-1) === "") this.#lines.pop();
  }

  /** Values of every line with this key. */
  values(key: string): string[] {
    return this.#lines.flatMap((line) => valueOf(line, key) ?? []);
  }

  /** Puts other paths in place of those of files. */
  replacePaths(place: (path: string) => string): void {
    for (const [at, line] of this.#lines.entries()) {
      for (const key of PATH_KEYS) {
        const value = valueOf(line, key);
        if (value !== undefined) this.#lines[at] = line.slice(0, line.length - value.length) + place(value);
      }
    }
  }

  /** Gives the kernel an argument: instead of the first with the same key, else as the last of the first line of options. */
  setArgument(argument: string): void {
    const at = this.#lines.findIndex((line) => valueOf(line, "options") !== undefined);
    const line = this.#lines[at];
    if (line === undefined) {
      this.#lines.push(`options ${argument}`);
      return;
    }
    const options = valueOf(line, "options") ?? "";
    const head = line.length - options.length;
    const key = keyOf(argument);
    for (const { start, end } of argumentsOf(options)) {
      if (keyOf(options.slice(start, end)) !== key) continue;
      this.#lines[at] = line.slice(0, head + start) + argument + line.slice(head + end);
      return;
    }
    this.#lines[at] = `${line} ${argument}`;
  }

  print(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

/** The rest of a line that begins with a key and white space. */
function valueOf(line: string, key: string): string | undefined {
  if (!line.startsWith(key) || !/^\s/.test(line.slice(key.length))) return undefined;
  return line.slice(key.length).trimStart();
}

/** With its `=`, so that a flag and an argument with a value are two. */
function keyOf(argument: string): string {
  const at = argument.indexOf("=");
  return at < 0 ? argument : argument.slice(0, at + 1);
}

/** White space divides arguments, except between double quotes. */
function* argumentsOf(options: string): Generator<{ readonly start: number; readonly end: number }> {
  const pattern = /(?:"[^"]*(?:"|$)|[^\s"])+/g;
  for (const match of options.matchAll(pattern))
    yield { start: match.index, end: match.index + match[0].length };
}
