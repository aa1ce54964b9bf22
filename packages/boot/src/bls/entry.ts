<<<<<<< HEAD
// A boot entry of the Boot Loader Specification, type 1: a text of `key value` lines. The document keeps lines that it
// does not know, comments and blank lines, so that what is not changed is written as it was read.

import { bootErrors } from "../errors.ts";

interface KeyLine {
  readonly type: "key";
  readonly key: string;
  readonly value: string;
  readonly raw: string;
}

interface OtherLine {
  readonly type: "other";
  readonly raw: string;
}

/** Real entries have a dozen lines. */
const MOST_LINES = 10_000;

/** Keys in the order in which ostree and bootc write them; others follow. */
const KEY_ORDER = [
  "title",
  "version",
  "options",
  "devicetree",
  "linux",
  "efi",
  "uki",
  "initrd",
  "machine-id",
  "sort-key",
] as const;

/** What an entry boots: a kernel with its initramfs, or one EFI program. */
export type BlsKind =
  | { readonly kind: "linux"; readonly linux: string; readonly initrds: readonly string[] }
  | { readonly kind: "efi"; readonly path: string; readonly key: "efi" | "uki" }
  /** Neither, or both, which no boot loader accepts. */
  | { readonly kind: "none" }
  | { readonly kind: "conflict" };

export class BlsEntry {
  readonly #lines: (KeyLine | OtherLine)[] = [];

  /** Reads any text: what is no `key value` line is kept and means nothing. Throws `boot/limit-exceeded`. */
  static parse(text: string): BlsEntry {
    const entry = new BlsEntry();
    const lines = text.split("\n", MOST_LINES + 1);
    if (lines.length > MOST_LINES)
      throw bootErrors.error("limit-exceeded", `a boot entry of more than ${MOST_LINES} lines`);
    if (lines.at(-1) === "") lines.pop();
    for (const raw of lines) {
      // Blanks around do not count; a key begins with a letter and ends at the first blank or tab.
      const match = /^\s*([A-Za-z][^\s]*)[ \t]+(.*?)\s*$/.exec(raw);
      const [, key = "", value = ""] = match ?? [];
      entry.#lines.push(value === "" ? { type: "other", raw } : { type: "key", key, value, raw });
    }
    return entry;
  }

  /** Keys in the order they first come. */
  keys(): string[] {
    return [...new Set(this.#keyLines().map((line) => line.key))];
  }

  /** Every value of a key: `initrd` and `options` may repeat. */
  getAll(key: string): string[] {
    return this.#keyLines()
      .filter((line) => line.key === key)
      .map((line) => line.value);
  }

  /** The last value of a key. */
  get(key: string): string | undefined {
    return this.getAll(key).at(-1);
=======
import { bootErrors } from "../errors.ts";

/**
 * How a line of a boot entry is read.
 *
 * - `uapi`: as the Boot Loader Specification and systemd-boot have it: blanks around key and value do not count.
 * - `ostree`: a line begins with a letter; one blank or tab ends the key, and the rest is the value as it is.
 * - `bootc`: only a space ends the key, so a line with a tab there is not read; blanks around do not count.
 */
export type BlsDialect = "uapi" | "ostree" | "bootc";

interface Line {
  /** Without its line end. */
  readonly raw: string;
  readonly key: string | undefined;
  readonly value: string;
}

/**
 * A boot entry of the Boot Loader Specification, type 1: lines of a key and a value. All lines are kept as
 * they are, also comments and those that are not understood; only what is set is written anew.
 */
export class BlsEntry {
  readonly dialect: BlsDialect;
  #lines: Line[];
  /** Whether the last line ends with a newline. */
  #ended: boolean;

  private constructor(dialect: BlsDialect, lines: Line[], ended: boolean) {
    this.dialect = dialect;
    this.#lines = lines;
    this.#ended = ended;
  }

  /** Any text is an entry; {@link BlsEntry.check} says whether it can be booted. */
  static parse(text: string, dialect: BlsDialect = "uapi"): BlsEntry {
    const raw = text.split("\n");
    const ended = raw.at(-1) === "";
    if (ended) raw.pop();
    return new BlsEntry(
      dialect,
      raw.map((line) => parseLine(line, dialect)),
      ended,
    );
  }

  /** An entry of these keys and values, in this order. */
  static of(pairs: Iterable<readonly [key: string, value: string]>, dialect: BlsDialect = "uapi"): BlsEntry {
    const entry = new BlsEntry(dialect, [], true);
    for (const [key, value] of pairs) entry.add(key, value);
    return entry;
  }

  /** Keys and values in the order of the lines. */
  get pairs(): (readonly [key: string, value: string])[] {
    return this.#lines.flatMap(({ key, value }) => (key === undefined ? [] : [[key, value] as const]));
  }

  /** Every value of a key. */
  all(key: string): string[] {
    return this.pairs.flatMap(([other, value]) => (other === key ? [value] : []));
  }

  /**
   * The value of a key that stands for one: the last if there are several, as all readers have it. ostree's primary
   * `initrd` is the first of its lines.
   */
  get(key: string): string | undefined {
    const values = this.all(key);
    return this.dialect === "ostree" && key === "initrd" ? values[0] : values.at(-1);
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
  }

  get title(): string | undefined {
    return this.get("title");
  }

  get version(): string | undefined {
    return this.get("version");
  }

<<<<<<< HEAD
  get sortKey(): string | undefined {
    return this.get("sort-key");
  }

=======
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
  get machineId(): string | undefined {
    return this.get("machine-id");
  }

<<<<<<< HEAD
  /** Kernel arguments. Of several lines the last counts for ostree and bootc; a boot loader joins them. */
  get options(): string | undefined {
    return this.get("options");
  }

  /** What the entry boots. */
  kind(): BlsKind {
    const linux = this.get("linux");
    const efi = this.#keyLines().findLast((line) => line.key === "efi" || line.key === "uki");
    if (linux !== undefined && efi !== undefined) return { kind: "conflict" };
    if (linux !== undefined) return { kind: "linux", linux, initrds: this.getAll("initrd") };
    if (efi !== undefined) return { kind: "efi", path: efi.value, key: efi.key as "efi" | "uki" };
    return { kind: "none" };
  }

  /** Sets the values of a key, in place of its lines if it has some, else where ostree would write it. */
  set(key: string, ...values: readonly string[]): void {
    if (!/^[A-Za-z]\S*$/.test(key))
      throw bootErrors.error("entry-key-invalid", `"${key}" cannot be a key of a boot entry`);
    for (const value of values) {
      if (value === "" || /[\r\n]|^\s|\s$/.test(value)) {
        throw bootErrors.error(
          "entry-key-invalid",
          `the value of ${key} cannot stand in a line: "${value.slice(0, 200)}"`,
        );
      }
    }
    const fresh = values.map((value): KeyLine => ({ type: "key", key, value, raw: `${key} ${value}` }));
    const first = this.#lines.findIndex((line) => line.type === "key" && line.key === key);
    const at = first >= 0 ? first : this.#placeOf(key);
    const rest = this.#lines.filter((line) => line.type !== "key" || line.key !== key);
    rest.splice(at, 0, ...fresh);
    this.#lines.splice(0, this.#lines.length, ...rest);
  }

  remove(key: string): void {
    const rest = this.#lines.filter((line) => line.type !== "key" || line.key !== key);
    this.#lines.splice(0, this.#lines.length, ...rest);
  }

  print(): string {
    return this.#lines.map((line) => `${line.raw}\n`).join("");
  }

  #keyLines(): KeyLine[] {
    return this.#lines.filter((line) => line.type === "key");
  }

  #placeOf(key: string): number {
    const rank = orderOf(key);
    const after = this.#lines.findLastIndex((line) => line.type === "key" && orderOf(line.key) <= rank);
    return after + 1;
  }
}

function orderOf(key: string): number {
  const at = (KEY_ORDER as readonly string[]).indexOf(key);
  return at < 0 ? KEY_ORDER.length : at;
=======
  get sortKey(): string | undefined {
    return this.get("sort-key");
  }

  get linux(): string | undefined {
    return this.get("linux");
  }

  get initrds(): string[] {
    return this.all("initrd");
  }

  /** The kernel arguments: by the specification all lines together, for ostree and bootc the last line. */
  get options(): string | undefined {
    const values = this.all("options");
    return this.dialect === "uapi" ? (values.length === 0 ? undefined : values.join(" ")) : values.at(-1);
  }

  /** The EFI executable to start: `uki` or `efi`. */
  get efi(): string | undefined {
    return this.get("uki") ?? this.get("efi");
  }

  /** Sets a key to one value, where its first line was or at the end; its other lines go. */
  set(key: string, value: string): this {
    const line = makeLine(key, value);
    const at = this.#lines.findIndex((other) => other.key === key);
    if (at < 0) this.#append(line);
    else
      this.#lines = this.#lines.flatMap((other, index) =>
        index === at ? [line] : other.key === key ? [] : [other],
      );
    return this;
  }

  /** Adds one more line for a key, after the last that it has, else at the end. */
  add(key: string, value: string): this {
    const line = makeLine(key, value);
    const last = this.#lines.map((other) => other.key).lastIndexOf(key);
    if (last < 0) this.#append(line);
    else this.#lines.splice(last + 1, 0, line);
    return this;
  }

  /** Removes all lines of a key; false if there were none. */
  remove(key: string): boolean {
    const before = this.#lines.length;
    this.#lines = this.#lines.filter((line) => line.key !== key);
    return this.#lines.length < before;
  }

  /**
   * What the entry boots. Throws `boot/bls-invalid` as bootc does: without `version`; with both `linux` and
   * `efi` or `uki`; with none of them.
   */
  check():
    | { readonly kind: "linux"; readonly linux: string }
    | { readonly kind: "efi"; readonly efi: string } {
    if (this.version === undefined) throw bootErrors.error("bls-invalid", "Missing 'version' value");
    const { linux, efi } = this;
    if (linux !== undefined && efi !== undefined) {
      throw bootErrors.error("bls-invalid", "'linux' and 'efi'/'uki' values present");
    }
    if (linux !== undefined) return { kind: "linux", linux };
    if (efi !== undefined) return { kind: "efi", efi };
    throw bootErrors.error("bls-invalid", "Missing 'linux', 'efi', or 'uki' value");
  }

  print(): string {
    const text = this.#lines.map(({ raw }) => raw).join("\n");
    return this.#ended && this.#lines.length > 0 ? `${text}\n` : text;
  }

  #append(line: Line): void {
    this.#lines.push(line);
    this.#ended = true;
  }
}

/** In this order ostree writes the keys it knows; the others follow in the order of a hash table. */
export const OSTREE_KEY_ORDER = ["title", "version", "options", "devicetree", "linux", "initrd"] as const;

/** In this order bootc writes an entry that it has read and changed; the others follow. */
export const BOOTC_KEY_ORDER = [
  "title",
  "version",
  "efi",
  "uki",
  "linux",
  "initrd",
  "options",
  "machine-id",
  "sort-key",
] as const;

/**
 * The lines of an entry with the given keys first and the others after them in the order that they have. What
 * is no key and value is left out, as both tools do when they write an entry again.
 */
export function printInOrder(entry: BlsEntry, order: readonly string[]): string {
  const known = order.flatMap((key) => entry.pairs.filter(([other]) => other === key));
  const others = entry.pairs.filter(([key]) => !order.includes(key));
  return [...known, ...others].map(([key, value]) => `${key} ${value}\n`).join("");
}

function parseLine(raw: string, dialect: BlsDialect): Line {
  const none = { raw, key: undefined, value: "" };
  if (dialect === "ostree") {
    const split = /^([A-Za-z][^ \t]*)[ \t]([^]*)$/.exec(raw);
    return split === null ? none : { raw, key: split[1], value: split[2] ?? "" };
  }
  const text = raw.trim();
  if (text === "" || text.startsWith("#")) return none;
  const at = dialect === "bootc" ? text.indexOf(" ") : text.search(/[ \t]/);
  if (at <= 0) return none;
  return { raw, key: text.slice(0, at), value: text.slice(at + 1).trim() };
}

function makeLine(key: string, value: string): Line {
  if (!/^[A-Za-z][^\s]*$/.test(key) || /[\n\r\0]/.test(value) || value.trim() === "") {
    throw bootErrors.error(
      "bls-value-invalid",
      `cannot be a line of a boot entry: "${key} ${value.slice(0, 200)}"`,
    );
  }
  return { raw: `${key} ${value}`, key, value };
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
}
