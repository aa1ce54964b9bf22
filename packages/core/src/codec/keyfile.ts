// Key files: groups of `key=value` lines. One model of a document that keeps order, comments, blank lines
// and duplicates, and three dialects of how it is read and written.

import { printable } from "../byte-string.ts";
import { coreErrors } from "../errors.ts";

/**
 * `glib`: GKeyFile, as ostree's repository config, origins and prepare-root.conf. `#` comments, escapes
 * in values, the last of duplicate keys counts.
 * `systemd`: unit and quadlet files. `#` and `;` comments, lines continued by a backslash, keys that
 * repeat add up.
 * `ini`: as bootc writes its composefs origins: `key = value`, no newline at the end of the file.
 */
export type KeyFileProfile = "glib" | "systemd" | "ini";

interface EntryLine {
  readonly type: "entry";
  readonly key: string;
  value: string;
  /** The line as it was read; absent once the value has been set. */
  raw?: string;
}

interface OtherLine {
  readonly type: "other";
  readonly raw: string;
}

interface Group {
  readonly name: string;
  /** The group's own header line as it was read. */
  readonly header: string;
  readonly lines: (EntryLine | OtherLine)[];
}

/** More than any real file has; a guard against one made to fill memory. */
const MOST_LINES = 100_000;

/** A key file as a document: what is not changed is printed as it was read. */
export class KeyFile {
  readonly profile: KeyFileProfile;
  /** Lines before the first group: comments and blanks. */
  readonly #preamble: string[] = [];
  readonly #groups: Group[] = [];
  #endsWithNewline = true;

  constructor(profile: KeyFileProfile = "glib") {
    this.profile = profile;
  }

  /** Throws `core/keyfile-syntax` with the number of the line, `core/data-limit` for too many lines. */
  static parse(text: string, profile: KeyFileProfile = "glib"): KeyFile {
    const file = new KeyFile(profile);
    file.#parse(text);
    return file;
  }

  /** Names of the groups in the order they first come. */
  groups(): string[] {
    return [...new Set(this.#groups.map((group) => group.name))];
  }

  hasGroup(group: string): boolean {
    return this.#groups.some((candidate) => candidate.name === group);
  }

  /** Names of the group's keys in the order they first come; none if there is no such group. */
  keys(group: string): string[] {
    return [...new Set([...this.#entries(group)].map((entry) => entry.key))];
  }

  /** Every value of a key, as written, in order. */
  getAll(group: string, key: string): string[] {
    return [...this.#entries(group)].filter((entry) => entry.key === key).map((entry) => entry.value);
  }

  /** The value that counts, as written (no escapes undone). */
  get(group: string, key: string): string | undefined {
    return this.getAll(group, key).at(-1);
  }

  /** The value with `\s \n \t \r \\` undone. Throws `core/keyfile-value` for another escape. */
  getString(group: string, key: string): string | undefined {
    const value = this.get(group, key);
    return value === undefined ? undefined : this.#unescape(group, key, value);
  }

  /** The items of a list; `separator` may be escaped by a backslash inside an item. */
  getStringList(group: string, key: string, separator = ";"): string[] | undefined {
    const value = this.get(group, key);
    if (value === undefined) return undefined;
    const items: string[] = [];
    let item = "";
    for (let at = 0; at < value.length; at++) {
      const character = value[at] as string;
      if (character === "\\" && value[at + 1] === separator) {
        item += separator;
        at++;
      } else if (character === "\\" && at + 1 < value.length) {
        item += character + (value[++at] as string);
      } else if (character === separator) {
        items.push(this.#unescape(group, key, item));
        item = "";
      } else {
        item += character;
      }
    }
    if (item !== "") items.push(this.#unescape(group, key, item));
    return items;
  }

  /** GKeyFile takes `true`/`1` and `false`/`0`; the other profiles also `yes`, `on`, `no`, `off`. */
  getBoolean(group: string, key: string): boolean | undefined {
    const value = this.get(group, key)?.trim();
    if (value === undefined) return undefined;
    const words = this.profile === "glib" ? GLIB_BOOLEANS : BOOLEANS;
    const meaning = words.get(this.profile === "glib" ? value : value.toLowerCase());
    if (meaning === undefined) throw this.#badValue(group, key, value, "true or false");
    return meaning;
  }

  /** A whole number. */
  getInteger(group: string, key: string): number | undefined {
    const value = this.get(group, key)?.trim();
    if (value === undefined) return undefined;
    const number = /^[+-]?[0-9]+$/.test(value) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw this.#badValue(group, key, value, "a whole number");
    return number;
  }

  /** Sets the value as written: the last line of that key is changed, or a new one put at the group's end. */
  set(group: string, key: string, value: string): void {
    if (/[\r\n]/.test(value)) throw this.#badValue(group, key, value, "a single line");
    if (trimStart(value) !== value || (this.profile !== "glib" && trimEnd(value) !== value)) {
      throw this.#badValue(group, key, value, "free of blanks around it, which reading would lose");
    }
    if (key === "" || /^[[#;]|[=\r\n]|^[ \t\f]|[ \t\f]$/.test(key)) {
      throw coreErrors.error("keyfile-syntax", `"${key}" cannot be a key`);
    }
    const entry = [...this.#entries(group)].findLast((candidate) => candidate.key === key);
    if (entry !== undefined) {
      if (entry.value !== value) {
        entry.value = value;
        delete entry.raw;
      }
      return;
    }
    const lines = this.#ensureGroup(group).lines;
    let at = lines.length;
    while (at > 0 && isBlank(lines[at - 1])) at--;
    lines.splice(at, 0, { type: "entry", key, value });
  }

  /** Sets a value with what cannot stand in a line escaped. */
  setString(group: string, key: string, value: string): void {
    this.set(group, key, escape(value));
  }

  setStringList(group: string, key: string, values: readonly string[], separator = ";"): void {
    const items = values.map((value) => escape(value).replaceAll(separator, `\\${separator}`) + separator);
    this.set(group, key, items.join(""));
  }

  setBoolean(group: string, key: string, value: boolean): void {
    this.set(group, key, value ? "true" : "false");
  }

  /** Removes every line of a key; says whether there was one. */
  remove(group: string, key: string): boolean {
    let removed = false;
    for (const candidate of this.#groups) {
      if (candidate.name !== group) continue;
      for (let at = candidate.lines.length - 1; at >= 0; at--) {
        const line = candidate.lines[at];
        if (line?.type !== "entry" || line.key !== key) continue;
        candidate.lines.splice(at, 1);
        removed = true;
      }
    }
    return removed;
  }

  removeGroup(group: string): boolean {
    let removed = false;
    for (let at = this.#groups.length - 1; at >= 0; at--) {
      if (this.#groups[at]?.name !== group) continue;
      this.#groups.splice(at, 1);
      removed = true;
    }
    return removed;
  }

  /** The text. Groups that were added are set off by an empty line. */
  print(): string {
    const separator = this.profile === "ini" ? " = " : "=";
    const lines = [...this.#preamble];
    for (const group of this.#groups) {
      const isNew = group.header === "";
      if (isNew && lines.length > 0 && lines.at(-1) !== "") lines.push("");
      lines.push(isNew ? `[${group.name}]` : group.header);
      for (const line of group.lines) {
        lines.push(line.raw ?? (line.type === "entry" ? `${line.key}${separator}${line.value}` : ""));
      }
    }
    if (lines.length === 0) return "";
    return lines.join("\n") + (this.profile === "ini" || !this.#endsWithNewline ? "" : "\n");
  }

  #parse(text: string): void {
    const lines = text.split("\n", MOST_LINES + 1);
    if (lines.length > MOST_LINES)
      throw coreErrors.error("data-limit", `key file: more than ${MOST_LINES} lines`);
    if (lines.at(-1) === "") lines.pop();
    else this.#endsWithNewline = text === "";
    let group: Group | undefined;
    for (let at = 0; at < lines.length; at++) {
      const number = at + 1;
      let raw = stripReturn(lines[at] as string);
      const line = trimStart(raw);
      if (line === "" || line.startsWith("#") || (line.startsWith(";") && this.profile !== "glib")) {
        if (group === undefined) this.#preamble.push(raw);
        else group.lines.push({ type: "other", raw });
        continue;
      }
      if (line.startsWith("[")) {
        const name = /^\[([^[\]\p{Cc}]+)\]\s*$/u.exec(line)?.[1];
        if (name === undefined) throw syntax(number, line, "not a group header");
        group = { name, header: raw, lines: [] };
        this.#groups.push(group);
        continue;
      }
      const equals = line.indexOf("=");
      if (equals < 1) throw syntax(number, line, "neither a group, a key nor a comment");
      if (group === undefined) throw syntax(number, line, "a key before the first group");
      let value = trimStart(line.slice(equals + 1));
      if (this.profile === "systemd") {
        // A continued line's break counts as a space; comments in between are passed over.
        while (value.endsWith("\\") && at + 1 < lines.length) {
          const next = stripReturn(lines[++at] as string);
          raw += `\n${next}`;
          if (/^\s*[#;]/.test(next)) continue;
          value = `${value.slice(0, -1)} ${trimStart(next)}`;
        }
      }
      if (this.profile !== "glib") value = trimEnd(value);
      group.lines.push({ type: "entry", key: trimEnd(line.slice(0, equals)), value, raw });
    }
  }

  *#entries(group: string): Generator<EntryLine> {
    for (const candidate of this.#groups) {
      if (candidate.name !== group) continue;
      for (const line of candidate.lines) if (line.type === "entry") yield line;
    }
  }

  #ensureGroup(name: string): Group {
    const existing = this.#groups.findLast((group) => group.name === name);
    if (existing !== undefined) return existing;
    if (!/^[^[\]\p{Cc}]+$/u.test(name))
      throw coreErrors.error("keyfile-syntax", `"${name}" cannot be a group`);
    const group: Group = { name, header: "", lines: [] };
    this.#groups.push(group);
    return group;
  }

  #unescape(group: string, key: string, value: string): string {
    return value.replace(/\\(.?)/gs, (sequence, letter: string) => {
      const plain = ESCAPES.get(letter);
      if (plain === undefined)
        throw this.#badValue(group, key, value, `free of the unknown escape "${sequence}"`);
      return plain;
    });
  }

  #badValue(group: string, key: string, value: string, wanted: string): Error {
    return coreErrors.error("keyfile-value", `[${group}] ${key}: "${value.slice(0, 200)}" is not ${wanted}`, {
      context: { group, key },
    });
  }
}

const ESCAPES = new Map([
  ["s", " "],
  ["n", "\n"],
  ["t", "\t"],
  ["r", "\r"],
  ["\\", "\\"],
]);

const GLIB_BOOLEANS = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

const BOOLEANS = new Map([
  ...GLIB_BOOLEANS,
  ["yes", true] as const,
  ["on", true] as const,
  ["no", false] as const,
  ["off", false] as const,
]);

function escape(value: string): string {
  const escaped = value
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return escaped.replace(/^ +/, (blanks) => "\\s".repeat(blanks.length));
}

/** What GLib and systemd take for blanks; JavaScript's own `trim` takes more. */
function trimStart(text: string): string {
  return text.replace(/^[ \t\f\r]+/, "");
}

function trimEnd(text: string): string {
  return text.replace(/[ \t\f\r]+$/, "");
}

function stripReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function isBlank(line: EntryLine | OtherLine | undefined): boolean {
  return line?.type === "other" && line.raw.trim() === "";
}

function syntax(number: number, line: string, problem: string): Error {
  return coreErrors.error(
    "keyfile-syntax",
    `line ${number}: ${problem}: "${printable(line.slice(0, 120))}"`,
    {
      context: { line: number },
    },
  );
}
