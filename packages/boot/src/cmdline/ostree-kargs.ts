import { bootErrors } from "../errors.ts";

interface Argument {
  readonly key: string;
  readonly value: string | undefined;
}

/**
 * Kernel arguments as ostree keeps and changes them: split at single spaces outside of double quotes, so that
 * two spaces make an empty argument; quotes stay part of the values.
 */
export class OstreeKargs {
  #list: Argument[] = [];

  static parse(text: string): OstreeKargs {
    const list = new OstreeKargs();
    for (const argument of splitAtSpaces(text)) list.append(argument);
    return list;
  }

  /** The arguments of a running system that are a deployment's own: not `BOOT_IMAGE=` and `initrd=`. */
  static fromProcCmdline(text: string): OstreeKargs {
    const list = OstreeKargs.parse(text.replace(/\n+$/, ""));
    list.#list = list.#list.filter(
      ({ key, value }) => value === undefined || (key !== "BOOT_IMAGE" && key !== "initrd"),
    );
    return list;
  }

  get arguments(): string[] {
    return this.#list.map(print);
  }

  /** The value of the last argument of a key, as the kernel takes it. */
  lastValue(key: string): string | undefined {
    return this.#list.findLast((argument) => argument.key === key)?.value;
  }

  append(text: string): void {
    this.#list.push(split(text));
  }

  appendIfMissing(text: string): void {
    const wanted = split(text);
    if (!this.#list.some((argument) => same(argument, wanted))) this.#list.push(wanted);
  }

  /** Gives a key one value: where it first was, and its other arguments go; else at the end. */
  replace(text: string): void {
    const wanted = split(text);
    const first = this.#list.findIndex(({ key }) => key === wanted.key);
    if (first < 0) this.#list.push(wanted);
    else
      this.#list = this.#list.flatMap((old, at) =>
        at === first ? [wanted] : old.key === wanted.key ? [] : [old],
      );
  }

  /**
   * `KEY=NEW` where the key has one value, or `KEY=OLD=NEW`. Throws `boot/karg-not-found`, `boot/karg-ambiguous`.
   */
  newReplace(text: string): void {
    const { key, value = "" } = split(text);
    const values = this.#list.filter((argument) => argument.key === key);
    if (values.length === 0) throw bootErrors.error("karg-not-found", `No key '${key}' found`);
    const old = split(value);
    if (old.value === undefined) {
      if (values.length > 1) throw ambiguous(key);
      this.#list = this.#list.map((argument) => (argument.key === key ? { key, value } : argument));
      return;
    }
    const at = this.#find({ key, value: old.key });
    this.#list[at] = { key, value: old.value };
  }

  /** `KEY`, which must have one value, or `KEY=VALUE`. Throws `boot/karg-not-found`, `boot/karg-ambiguous`. */
  delete(text: string): void {
    const wanted = split(text);
    const same = this.#list.filter(({ key }) => key === wanted.key);
    if (same.length === 0) throw bootErrors.error("karg-not-found", `No key '${wanted.key}' found`);
    if (wanted.value === undefined && same.length === 1) {
      this.#list = this.#list.filter(({ key }) => key !== wanted.key);
      return;
    }
    if (wanted.value === undefined && !same.some(({ value }) => value === undefined))
      throw ambiguous(wanted.key);
    this.#list.splice(this.#find(wanted), 1);
  }

  /** {@link OstreeKargs.delete}, where absence is ordinary. */
  deleteIfPresent(text: string): void {
    const wanted = split(text);
    const present = this.#list.some(
      ({ key, value }) => key === wanted.key && (wanted.value === undefined || value === wanted.value),
    );
    if (present) this.delete(text);
  }

  toString(): string {
    return this.arguments.join(" ");
  }

  #find(wanted: Argument): number {
    const at = this.#list.findIndex((argument) => same(argument, wanted));
    if (at < 0) throw bootErrors.error("karg-not-found", `No karg '${print(wanted)}' found`);
    return at;
  }
}

function same(a: Argument, b: Argument): boolean {
  return a.key === b.key && a.value === b.value;
}

function ambiguous(key: string): Error {
  return bootErrors.error("karg-ambiguous", `Multiple values for key '${key}' found`);
}

function split(text: string): Argument {
  const equals = text.indexOf("=");
  return equals < 0
    ? { key: text, value: undefined }
    : { key: text.slice(0, equals), value: text.slice(equals + 1) };
}

function print({ key, value }: Argument): string {
  return value === undefined ? key : `${key}=${value}`;
}

function splitAtSpaces(text: string): string[] {
  const start = text.replace(/^ +/, "");
  if (start === "") return [];
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at <= start.length; at++) {
    const character = start[at];
    if (character === '"') quoted = !quoted;
    if (character !== undefined && (quoted || character !== " ")) continue;
    parts.push(start.slice(from, at));
    from = at + 1;
  }
  return parts;
}
