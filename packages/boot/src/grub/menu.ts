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
  for (; at < text.length && depth > 0; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "}") depth--;
  }
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
}

function syntax(text: string, at: number, problem: string): Error {
  const line = text.slice(0, at).split("\n").length;
  return bootErrors.error("menu-syntax", `line ${line}: ${problem}`, { context: { line } });
}

/** What bootc begins `grub2/user.cfg` with, so that its entries know the EFI partition. */
export const BOOTC_USER_CONFIG_HEADER = `
if [ -f \${config_directory}/efiuuid.cfg ]; then
        source \${config_directory}/efiuuid.cfg
fi
`;

/** The content of `grub2/efiuuid.cfg`. Throws `boot/menu-value-invalid`. */
export function printEfiUuidConfig(uuid: string): string {
  if (!/^[0-9A-Za-z-]+$/.test(uuid)) {
    throw bootErrors.error("menu-value-invalid", `"${uuid.slice(0, 200)}" is no UUID of a file system`);
  }
  return `set EFI_PART_UUID="${uuid}"`;
}

/** bootc's entry for a unified kernel image of a composefs deployment. */
export function bootcUkiMenuEntry(label: string, id: string): GrubMenuEntry {
  return {
    title: `${label}: (${id})`,
    commands: [
      { name: "insmod", argument: "fat" },
      { name: "insmod", argument: "chain" },
      { name: "search", argument: '--no-floppy --set=root --fs-uuid "${EFI_PART_UUID}"' },
      { name: "chainloader", argument: `/EFI/Linux/bootc/bootc_composefs-${id}.efi` },
    ],
  };
}
