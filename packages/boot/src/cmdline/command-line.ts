// The kernel command line as bootc reads and changes it. Text may be a byte string: only ASCII has a meaning here.

/** One parameter, `KEY` or `KEY=VALUE`. */
export class KernelParameter {
  /** As it stands in the line, quotes included. */
  readonly raw: string;
  /** Without quotes around. */
  readonly key: string;
  /** Without quotes around; `undefined` where there is no `=`. */
  readonly value: string | undefined;

  constructor(raw: string) {
    this.raw = raw;
    const from = raw.startsWith('"') ? 1 : 0;
    const to = raw.length > from && raw.endsWith('"') ? raw.length - 1 : raw.length;
    const text = raw.slice(from, to);
    const equals = text.indexOf("=");
    this.key = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? undefined : text.slice(equals + 1);
    this.value = value?.startsWith('"') === true ? value.slice(1) : value;
  }

  /** Keys are the same whether they have dashes or underscores. */
  hasKey(key: string): boolean {
    return normalKey(this.key) === normalKey(key);
  }

  equals(other: KernelParameter): boolean {
    return this.hasKey(other.key) && this.value === other.value;
  }
}

/** A kernel command line. It keeps its text until a parameter is taken away. */
export class KernelCommandLine implements Iterable<KernelParameter> {
  #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The parameters, in order: split at white space outside of double quotes. */
  get parameters(): KernelParameter[] {
    return splitCommandLine(this.#text).map((raw) => new KernelParameter(raw));
  }

  [Symbol.iterator](): Iterator<KernelParameter> {
    return this.parameters[Symbol.iterator]();
  }

  /** The first parameter of a key; the kernel itself mostly goes by the last. */
  find(key: string): KernelParameter | undefined {
    return this.parameters.find((parameter) => parameter.hasKey(key));
  }

  findAll(key: string): KernelParameter[] {
    return this.parameters.filter((parameter) => parameter.hasKey(key));
  }

  /** The first value of a key that has a value. */
  valueOf(key: string): string | undefined {
    return this.find(key)?.value;
  }

  /** Adds a parameter at the end unless the same one is there. */
  add(raw: string): "added" | "existed" {
    const parameter = new KernelParameter(raw);
    if (this.parameters.some((other) => other.equals(parameter))) return "existed";
    this.#append(raw);
    return "added";
  }

  /** Gives a key one value: in place of its first parameter, and the others of the key go; else at the end. */
  addOrModify(raw: string): "added" | "modified" | "existed" {
    const parameter = new KernelParameter(raw);
    const same = this.findAll(parameter.key);
    if (same.length === 0) {
      this.#append(raw);
      return "added";
    }
    if (same.length === 1 && same[0]?.equals(parameter) === true) return "existed";
    let placed = false;
    this.#join(
      this.parameters.flatMap((other) => {
        if (!other.hasKey(parameter.key)) return [other];
        const result = placed ? [] : [parameter];
        placed = true;
        return result;
      }),
    );
    return "modified";
  }

  /** Removes every parameter of a key; false if there was none. */
  remove(key: string): boolean {
    return this.#keep((parameter) => !parameter.hasKey(key));
  }

  /** Removes every parameter that equals this one; false if there was none. */
  removeExact(raw: string): boolean {
    const wanted = new KernelParameter(raw);
    return this.#keep((parameter) => !parameter.equals(wanted));
  }

  /** Whether both lines have the same parameters, in whatever order. */
  equals(other: KernelCommandLine): boolean {
    const sorted = (line: KernelCommandLine): string[] =>
      line.parameters
        .map(({ key, value }) => `${normalKey(key)}\0${value === undefined ? "" : `=${value}`}`)
        .sort();
    const [ours, theirs] = [sorted(this), sorted(other)];
    return ours.length === theirs.length && ours.every((parameter, at) => parameter === theirs[at]);
  }

  toString(): string {
    return this.#text;
  }

  #append(raw: string): void {
    this.#text =
      this.#text === "" || /[ \t\n\f\r]$/.test(this.#text) ? this.#text + raw : `${this.#text} ${raw}`;
  }

  #keep(keep: (parameter: KernelParameter) => boolean): boolean {
    const before = this.parameters;
    const kept = before.filter(keep);
    if (kept.length === before.length) return false;
    this.#join(kept);
    return true;
  }

  #join(parameters: readonly KernelParameter[]): void {
    this.#text = parameters.map(({ raw }) => raw).join(" ");
  }
}

function normalKey(key: string): string {
  return key.replaceAll("-", "_");
}

/** A quote that is not closed goes on to the end. */
function splitCommandLine(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '"') quoted = !quoted;
    if (character !== undefined && (quoted || !/[ \t\n\f\r]/.test(character))) continue;
    if (at > from) parts.push(text.slice(from, at));
    from = at + 1;
  }
  return parts;
}
