import { bootErrors } from "../errors.ts";
import { byteSource, type ByteSource, type PeSection, readPeSections, readRange } from "./pe.ts";

/** The sections that a unified kernel image may have, by the UAPI specification. */
export const UKI_SECTIONS = [
  ".linux",
  ".osrel",
  ".cmdline",
  ".initrd",
  ".ucode",
  ".splash",
  ".dtb",
  ".dtbauto",
  ".efifw",
  ".hwids",
  ".uname",
  ".sbat",
  ".pcrsig",
  ".pcrpkey",
  ".profile",
] as const;

export type UkiSectionName = (typeof UKI_SECTIONS)[number];

/** No text of a UKI comes near this; a longer one is refused and not read. */
const MAX_TEXT = 1 << 20;

/** A unified kernel image, of which only the headers have been read. */
export class Uki {
  readonly machine: number;
  /** All sections of the file, in its order. */
  readonly sections: readonly PeSection[];
  readonly #source: ByteSource;

  private constructor(source: ByteSource, machine: number, sections: readonly PeSection[]) {
    this.#source = source;
    this.machine = machine;
    this.sections = sections;
  }

  /** Throws `boot/pe-invalid`. An add-on has no `.linux` section; see {@link Uki.isAddon}. */
  static async open(source: ByteSource | Uint8Array): Promise<Uki> {
    const readable = source instanceof Uint8Array ? byteSource(source) : source;
    const { machine, sections } = await readPeSections(readable);
    return new Uki(readable, machine, sections);
  }

  /** Whether it has no kernel of its own but adds to another UKI. */
  get isAddon(): boolean {
    return this.section(".linux") === undefined;
  }

  /** The section of the base profile: the first of this name before any `.profile`. */
  section(name: UkiSectionName): PeSection | undefined {
    const profile = this.sections.findIndex((section) => section.name === ".profile");
    const base = profile < 0 || name === ".profile" ? this.sections : this.sections.slice(0, profile);
    return base.find((section) => section.name === name);
  }

  /** The bytes of a section; `undefined` if there is none. */
  async bytes(name: UkiSectionName): Promise<Uint8Array | undefined> {
    const section = this.section(name);
    return section === undefined
      ? undefined
      : readRange(this.#source, section.offset, section.size, `section ${name}`);
  }

  /** The kernel command line, without the NULs and newlines at its end. Throws `boot/uki-invalid`. */
  commandLine(): Promise<string | undefined> {
    return this.#text(".cmdline");
  }

  /** The `os-release` of the image. Throws `boot/uki-invalid`. */
  osRelease(): Promise<string | undefined> {
    return this.#text(".osrel");
  }

  /** The kernel's release, as `uname -r` says it. Throws `boot/uki-invalid`. */
  uname(): Promise<string | undefined> {
    return this.#text(".uname");
  }

  async #text(name: ".cmdline" | ".osrel" | ".uname"): Promise<string | undefined> {
    const section = this.section(name);
    if (section === undefined) return undefined;
    if (section.size > MAX_TEXT) {
      throw bootErrors.error(
        "uki-invalid",
        `the section ${name} has ${section.size} bytes, too many for a text`,
      );
    }
    const bytes = await readRange(this.#source, section.offset, section.size, `section ${name}`);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/[\0\n]+$/, "");
    } catch (cause) {
      throw bootErrors.error("uki-invalid", `the section ${name} is not UTF-8`, { cause });
    }
  }
}

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
