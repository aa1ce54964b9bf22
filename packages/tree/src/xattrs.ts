import { type ByteString, compareByteStrings, displayName } from "@bootc-store/core";

import { treeErrors } from "./errors.ts";
import { DEFAULT_LIMITS, type TreeLimits } from "./limits.ts";

/**
 * The extended attributes of an inode: names and values are byte strings, iterated in byte order of the
 * names. A value that never changes, so that many inodes can share one.
 */
export class Xattrs implements Iterable<readonly [ByteString, ByteString]> {
  /** The one value without attributes. */
  static readonly empty: Xattrs = new Xattrs([]);

  /** Name, value, name, value, … in byte order of the names: one array is the smallest form there is. */
  readonly #flat: readonly ByteString[];

  private constructor(flat: readonly ByteString[]) {
    this.#flat = flat;
    Object.freeze(this);
  }

  /**
   * From pairs in any order. Of a name that occurs twice the last value counts, as when attributes are set
   * one after the other. Throws `tree/xattr-invalid`, `tree/limit-exceeded`.
   */
  static from(
    pairs: Iterable<readonly [ByteString, ByteString]>,
    limits: Pick<TreeLimits, "xattrNameLength" | "xattrValueLength" | "xattrsLength"> = DEFAULT_LIMITS,
  ): Xattrs {
    const list: (readonly [ByteString, ByteString])[] = [];
    let length = 0;
    for (const pair of pairs) {
      checkXattr(pair[0], pair[1], limits);
      length += pair[0].length + pair[1].length;
      if (length > limits.xattrsLength) {
        throw treeErrors.error(
          "limit-exceeded",
          `extended attributes of one inode are over ${limits.xattrsLength} bytes`,
        );
      }
      list.push(pair);
    }
    if (list.length === 0) return Xattrs.empty;
    list.sort((a, b) => compareByteStrings(a[0], b[0]));
    const flat: ByteString[] = [];
    for (const [name, value] of list) {
      if (flat.length > 0 && flat[flat.length - 2] === name) flat[flat.length - 1] = value;
      else flat.push(name, value);
    }
    return new Xattrs(flat);
  }

  /** How many there are. */
  get size(): number {
    return this.#flat.length / 2;
  }

  get(name: ByteString): ByteString | undefined {
    const at = this.#find(name);
    return at < 0 ? undefined : this.#flat[at + 1];
  }

  has(name: ByteString): boolean {
    return this.#find(name) >= 0;
  }

  /** The same with this attribute set. */
  with(name: ByteString, value: ByteString): Xattrs {
    return this.get(name) === value ? this : Xattrs.from([...this, [name, value]]);
  }

  /** The same without this attribute; the same value if it had none. */
  without(name: ByteString): Xattrs {
    return this.has(name) ? this.filter((other) => other !== name) : this;
  }

  /** Those that `keep` says true to; the same value if that is all. */
  filter(keep: (name: ByteString, value: ByteString) => boolean): Xattrs {
    const flat: ByteString[] = [];
    for (const [name, value] of this) if (keep(name, value)) flat.push(name, value);
    if (flat.length === this.#flat.length) return this;
    return flat.length === 0 ? Xattrs.empty : new Xattrs(flat);
  }

  equals(other: Xattrs): boolean {
    if (this === other) return true;
    if (this.#flat.length !== other.#flat.length) return false;
    return this.#flat.every((part, at) => part === other.#flat[at]);
  }

  *names(): Generator<ByteString> {
    for (let at = 0; at < this.#flat.length; at += 2) yield this.#flat[at] as ByteString;
  }

  *[Symbol.iterator](): Generator<readonly [ByteString, ByteString]> {
    for (let at = 0; at < this.#flat.length; at += 2) {
      yield [this.#flat[at] as ByteString, this.#flat[at + 1] as ByteString];
    }
  }

  #find(name: ByteString): number {
    for (let at = 0; at < this.#flat.length; at += 2) if (this.#flat[at] === name) return at;
    return -1;
  }
}

function checkXattr(
  name: ByteString,
  value: ByteString,
  limits: Pick<TreeLimits, "xattrNameLength" | "xattrValueLength">,
): void {
  if (name.length === 0 || name.includes("\0")) {
    throw treeErrors.error(
      "xattr-invalid",
      `not a name of an extended attribute: "${displayName(name.slice(0, 80) as ByteString)}"`,
    );
  }
  if (name.length > limits.xattrNameLength) {
    throw treeErrors.error(
      "limit-exceeded",
      `the name of an extended attribute has ${name.length} bytes, the limit is ${limits.xattrNameLength}`,
    );
  }
  if (value.length > limits.xattrValueLength) {
    throw treeErrors.error(
      "limit-exceeded",
      `the value of "${displayName(name)}" has ${value.length} bytes, the limit is ${limits.xattrValueLength}`,
    );
  }
}
