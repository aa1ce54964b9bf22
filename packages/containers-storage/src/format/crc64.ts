// CRC-64/ISO (polynomial 0xD800000000000000, reflected, all ones in and out), the checksum of files in a tar-split.
// The polynomial is x^64 + x^4 + x^3 + x + 1: what 32 bits that leave the register do to it are four shifts of them, and
// none reaches bits that leave with them. So a table is not needed, and 64 bits are two halves.

/** A checksum that grows. Its state can be taken and given on, so that a file can be summed in pieces. */
export class Crc64 {
  #low: number;
  #high: number;

  constructor(state: Crc64State = [-1, -1]) {
    [this.#low, this.#high] = state;
  }

  get state(): Crc64State {
    return [this.#low, this.#high];
  }

  update(data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    let low = this.#low;
    let high = this.#high;
    let at = 0;
    for (const end = data.length - (data.length % 8); at < end; at += 8) {
      const a = low ^ view.getInt32(at, true);
      const b = high ^ (a << 31) ^ (a << 29) ^ (a << 28) ^ view.getInt32(at + 4, true);
      low = a ^ (a >>> 1) ^ (a >>> 3) ^ (a >>> 4) ^ (b << 31) ^ (b << 29) ^ (b << 28);
      high = b ^ (b >>> 1) ^ (b >>> 3) ^ (b >>> 4);
    }
    for (; at < data.length; at++) {
      const out = (low ^ (data[at] as number)) & 0xff;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) ^ (out << 24) ^ (out << 23) ^ (out << 21) ^ (out << 20);
    }
    this.#low = low;
    this.#high = high;
  }

  /** Eight bytes, big endian, as a tar-split has them. */
  digest(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(~this.#high, 0);
    bytes.writeInt32BE(~this.#low, 4);
    return bytes;
  }
}

/** Low and high half of the register, before the final inversion. */
export type Crc64State = readonly [low: number, high: number];
