<<<<<<< HEAD
// GRUB menus as bootc writes them into user.cfg for UKIs: `menuentry "TITLE" { … }` blocks. What stands before the first
// entry and between entries is kept; of a block, lines are kept in order.

import { bootErrors } from "../errors.ts";

export interface GrubMenuEntry {
  /** As written between the quotes, backslashes included. */
  readonly title: string;
  /** Commands of the body, without blanks around them, comments and empty lines left out. */
  readonly commands: readonly GrubCommand[];
}

export interface GrubCommand {
  readonly name: string;
  /** Everything after the name; empty where it stands alone. */
  readonly argument: string;
}

export interface GrubMenu {
  /** Text before the first entry. */
  readonly preamble: string;
  readonly entries: readonly GrubMenuEntry[];
}

/** Throws `boot/menu-syntax` with the number of the line at which an entry goes wrong. */
export function parseGrubMenu(text: string): GrubMenu {
  const entries: GrubMenuEntry[] = [];
  let preamble: string | undefined;
  let at = 0;
  for (;;) {
    const start = nextEntry(text, at);
    if (start < 0) break;
    preamble ??= text.slice(0, start);
    const { entry, end } = parseEntry(text, start);
    entries.push(entry);
    at = end;
  }
  return { preamble: preamble ?? text, entries };
}

/** A menu as bootc prints it: no indentation, one line a command. */
export function printGrubMenu(menu: GrubMenu): string {
  return menu.preamble + menu.entries.map(printEntry).join("");
}

/** The path that an entry chainloads, which names its UKI. */
export function chainloaderOf(entry: GrubMenuEntry): string | undefined {
  return entry.commands.findLast((command) => command.name === "chainloader")?.argument;
}

function printEntry({ title, commands }: GrubMenuEntry): string {
  if (
    title === "" ||
    /[\n\r]/.test(title) ||
    /(?:^|[^\\])(?:\\\\)*"/.test(title) ||
    /(?:^|[^\\])(?:\\\\)*\\$/.test(title)
  ) {
    throw bootErrors.error(
      "menu-value-invalid",
      `a menu entry cannot have the title "${title.slice(0, 200)}"`,
    );
  }
  const lines = commands.map(({ name, argument }) => {
    const line = argument === "" ? name : `${name} ${argument}`;
    if (/[\n\r]|^#|^\s|\s$/.test(line) || !balanced(line)) {
      throw bootErrors.error("menu-value-invalid", `"${line.slice(0, 200)}" cannot stand in a menu entry`);
    }
    return line;
  });
  return [`menuentry "${title}" {`, ...lines, "}", ""].join("\n");
}

/** The next `menuentry` that is a word of its own at the beginning of a line. */
function nextEntry(text: string, from: number): number {
  const pattern = /^[ \t]*menuentry(?=\s)/gm;
  pattern.lastIndex = from;
  return pattern.exec(text)?.index ?? -1;
}

function parseEntry(text: string, start: number): { entry: GrubMenuEntry; end: number } {
  const head = /[ \t]*menuentry\s+"((?:[^"\\]|\\[\s\S])+)"\s*\{/y;
  head.lastIndex = start;
  const match = head.exec(text);
  if (match === null) throw syntax(text, start, "a menuentry needs a quoted title and a body in braces");
  const bodyStart = head.lastIndex;
  let depth = 1;
  let at = bodyStart;
=======
import { bootErrors } from "../errors.ts";

/** One command of a menu entry's body. */
export interface GrubCommand {
  readonly name: string;
  /** The rest of the line, as it is. */
  readonly argument: string;
}

/** A `menuentry "TITLE" { … }` as bootc writes it: no options between title and brace. */
export class GrubMenuEntry {
  /** As between the quotes, escapes included. */
  readonly title: string;
  /** In order; comments, empty lines and words without an argument are not commands. */
  readonly commands: readonly GrubCommand[];
  /** As it stood in the file; `undefined` for one that was made. */
  readonly source: string | undefined;

  constructor(title: string, commands: readonly GrubCommand[], source?: string) {
    this.title = title;
    this.commands = commands;
    this.source = source;
  }

  /** The argument of the last command of this name. */
  argumentOf(name: string): string | undefined {
    return this.commands.findLast((command) => command.name === name)?.argument;
  }

  /**
   * As bootc writes an entry: modules first, then the search, the image and what else there is; `set` is left out.
   * Throws `boot/grub-value-invalid`.
   */
  printAsBootc(): string {
    const others = this.commands.filter(
      ({ name }) => !["insmod", "search", "chainloader", "set"].includes(name),
    );
    const lines = [
      ...this.commands.filter(({ name }) => name === "insmod").map(printCommand),
      printCommand({ name: "search", argument: this.argumentOf("search") ?? "" }),
      printCommand({ name: "chainloader", argument: this.argumentOf("chainloader") ?? "" }),
      ...others.map(printCommand),
    ];
    checkTitle(this.title);
    return `menuentry "${this.title}" {\n${lines.map((line) => `${line}\n`).join("")}}\n`;
  }
}

/** A GRUB configuration: entries, and the text between them, which is kept. */
export class GrubMenu {
  readonly parts: readonly (string | GrubMenuEntry)[];

  constructor(parts: readonly (string | GrubMenuEntry)[]) {
    this.parts = parts;
  }

  get entries(): GrubMenuEntry[] {
    return this.parts.filter((part) => part instanceof GrubMenuEntry);
  }

  /** The same text for what was read and not replaced; entries that were made are printed as bootc writes them. */
  print(): string {
    return this.parts
      .map((part) => (typeof part === "string" ? part : (part.source ?? part.printAsBootc())))
      .join("");
  }
}

/**
 * Reads a menu of the form that bootc writes and reads. Everything up to the word `menuentry` is text; an entry that
 * cannot be read is `boot/grub-syntax`, as it is for bootc.
 */
export function parseGrubMenu(text: string): GrubMenu {
  const parts: (string | GrubMenuEntry)[] = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf("menuentry", at);
    if (start < 0) break;
    if (start > at) parts.push(text.slice(at, start));
    const end = endOfEntry(text, start);
    parts.push(end.entry);
    at = end.at;
  }
  if (at < text.length) parts.push(text.slice(at));
  return new GrubMenu(parts);
}

/** What `grub2/user.cfg` begins with, so that the entries know the EFI partition. */
export const BOOTC_USER_CONFIG_HEADER = `
if [ -f \${config_directory}/efiuuid.cfg ]; then
        source \${config_directory}/efiuuid.cfg
fi
`;

/** The content of `grub2/efiuuid.cfg`. */
export function printEfiUuidConfig(uuid: string): string {
  if (!/^[0-9A-Za-z-]+$/.test(uuid))
    throw bootErrors.error("grub-value-invalid", `not a file system's UUID: "${uuid}"`);
  return `set EFI_PART_UUID="${uuid}"`;
}

/** A `grub2/user.cfg` of these entries, the default first, as bootc writes it. */
export function printBootcUserConfig(entries: readonly GrubMenuEntry[]): string {
  return BOOTC_USER_CONFIG_HEADER + entries.map((entry) => entry.printAsBootc()).join("");
}

/** bootc's entry for a unified kernel image on the EFI partition. */
export function bootcUkiEntry(label: string, id: string): GrubMenuEntry {
  return new GrubMenuEntry(`${label}: (${id})`, [
    { name: "insmod", argument: "fat" },
    { name: "insmod", argument: "chain" },
    { name: "search", argument: '--no-floppy --set=root --fs-uuid "${EFI_PART_UUID}"' },
    { name: "chainloader", argument: `/EFI/Linux/bootc/bootc_composefs-${id}.efi` },
  ]);
}

function printCommand({ name, argument }: GrubCommand): string {
  const line = `${name} ${argument}`;
  if (/[\n\r\0]/.test(line) || hasOpenBrace(argument)) {
    throw bootErrors.error("grub-value-invalid", `cannot be a line of a menu entry: "${line.slice(0, 200)}"`);
  }
  return line;
}

function hasOpenBrace(text: string): boolean {
  let depth = 0;
  for (const character of text.replace(/\\[^]/g, "")) {
    if (character === "{") depth++;
    if (character === "}" && --depth < 0) return true;
  }
  return depth !== 0;
}

function checkTitle(title: string): void {
  if (title === "" || !/^(?:[^"\\\n\r\0]|\\[^\n\r\0])*$/.test(title)) {
    throw bootErrors.error("grub-value-invalid", `cannot be a menu entry's title: "${title.slice(0, 200)}"`);
  }
}

function endOfEntry(text: string, start: number): { readonly entry: GrubMenuEntry; readonly at: number } {
  const head = /menuentry\s+"((?:[^"\\]|\\[^])*)"\s*\{/y;
  head.lastIndex = start;
  const found = head.exec(text);
  if (found === null)
    throw syntax(text, start, "after `menuentry` there must be a title in double quotes and a brace");
  const title = found[1] ?? "";
  if (title === "") throw syntax(text, start, "a menu entry has an empty title");
  const from = head.lastIndex;
  let depth = 1;
  let at = from;
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
  for (; at < text.length && depth > 0; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "}") depth--;
  }
<<<<<<< HEAD
  if (depth > 0) throw syntax(text, start, "the body of this menuentry is not closed");
  return {
    entry: { title: match[1] as string, commands: parseBody(text.slice(bodyStart, at - 1)) },
    end: at,
  };
}

function parseBody(body: string): GrubCommand[] {
  return body
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const blank = line.search(/\s/);
      return blank < 0
        ? { name: line, argument: "" }
        : { name: line.slice(0, blank), argument: line.slice(blank).trim() };
    });
}

function balanced(line: string): boolean {
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === "{") depth++;
    else if (line[at] === "}" && --depth < 0) return false;
  }
  return depth === 0 && !/(?:^|[^\\])(?:\\\\)*\\$/.test(line);
=======
  if (depth > 0) throw syntax(text, start, "the braces of a menu entry are not closed");
  const commands: GrubCommand[] = [];
  for (const raw of text.slice(from, at - 1).split("\n")) {
    const line = raw.trim();
    const space = line.indexOf(" ");
    if (line.startsWith("#") || space < 0) continue;
    commands.push({ name: line.slice(0, space), argument: line.slice(space + 1).trim() });
  }
  return { entry: new GrubMenuEntry(title, commands, text.slice(start, at)), at };
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
}

function syntax(text: string, at: number, problem: string): Error {
  const line = text.slice(0, at).split("\n").length;
<<<<<<< HEAD
  return bootErrors.error("menu-syntax", `line ${line}: ${problem}`, { context: { line } });
=======
  return bootErrors.error("grub-syntax", `line ${line} of the GRUB menu: ${problem}`, { context: { line } });
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
}
