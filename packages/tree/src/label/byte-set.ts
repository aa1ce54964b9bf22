/** A set of bytes: what one position of a pattern can be. */
export class ByteSet {
  readonly #bits = new Uint32Array(8);

  static of(byte: number): ByteSet {
    return new ByteSet().addRange(byte, byte);
  }

  static readonly all: ByteSet = new ByteSet().addRange(0, 255);

  addRange(from: number, to: number): this {
    for (let byte = from; byte <= to; byte++) {
      this.#bits[byte >> 5] = (this.#bits[byte >> 5] ?? 0) | (1 << (byte & 31));
    }
    return this;
  }

  addSet(other: ByteSet): this {
    for (let at = 0; at < 8; at++) this.#bits[at] = (this.#bits[at] ?? 0) | (other.#bits[at] ?? 0);
    return this;
  }

  inverted(): ByteSet {
    const set = new ByteSet();
    for (let at = 0; at < 8; at++) set.#bits[at] = ~(this.#bits[at] ?? 0);
    return set;
  }

  has(byte: number): boolean {
    return ((this.#bits[byte >> 5] ?? 0) & (1 << (byte & 31))) !== 0;
  }

  /** The only byte of the set, or `undefined`. */
  get single(): number | undefined {
    const ranges = this.ranges();
    const range = ranges[0];
    return ranges.length === 1 && range !== undefined && range[0] === range[1] ? range[0] : undefined;
  }

  /** The runs of bytes in the set, ascending, both ends included. */
  ranges(): (readonly [number, number])[] {
    const ranges: (readonly [number, number])[] = [];
    for (let byte = 0; byte < 256; byte++) {
      if (!this.has(byte)) continue;
      const from = byte;
      while (byte < 255 && this.has(byte + 1)) byte++;
      ranges.push([from, byte]);
    }
    return ranges;
  }
}

/** What the escapes of PCRE stand for on bytes in the C locale. JavaScript's own `\s` has more in it. */
export const ESCAPE_SETS: { readonly [letter: string]: ByteSet } = (() => {
  const digit = new ByteSet().addRange(0x30, 0x39);
  const word = new ByteSet()
    .addRange(0x30, 0x39)
    .addRange(0x41, 0x5a)
    .addRange(0x61, 0x7a)
    .addRange(0x5f, 0x5f);
  const space = new ByteSet().addRange(0x09, 0x0d).addRange(0x20, 0x20);
  return {
    d: digit,
    D: digit.inverted(),
    w: word,
    W: word.inverted(),
    s: space,
    S: space.inverted(),
  };
})();
