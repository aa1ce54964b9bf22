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
  }

  get title(): string | undefined {
    return this.get("title");
  }

  get version(): string | undefined {
    return this.get("version");
  }

  get sortKey(): string | undefined {
    return this.get("sort-key");
  }

  get machineId(): string | undefined {
    return this.get("machine-id");
  }

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
}
