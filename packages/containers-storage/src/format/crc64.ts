// CRC-64/ISO (polynomial 0xD800000000000000, reflected, all ones in and out), the checksum of files in a tar-split.
// Sixty-four bits as two halves in 32-bit tables, eight bytes a step.

const SLICES = 8;
const LOW = new Int32Array(256 * SLICES);
const HIGH = new Int32Array(256 * SLICES);

for (let byte = 0; byte < 256; byte++) {
  let low = byte;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const odd = (low & 1) !== 0;
    low = (low >>> 1) | (high << 31);
    high = (high >>> 1) ^ (odd ? 0xd8000000 : 0);
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}
for (let slice = 1; slice < SLICES; slice++) {
  for (let byte = 0; byte < 256; byte++) {
    const low = LOW[(slice - 1) * 256 + byte] as number;
    const high = HIGH[(slice - 1) * 256 + byte] as number;
    const next = low & 0xff;
    LOW[slice * 256 + byte] = ((low >>> 8) | (high << 24)) ^ (LOW[next] as number);
    HIGH[slice * 256 + byte] = (high >>> 8) ^ (HIGH[next] as number);
  }
}

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
    let low = this.#low;
    let high = this.#high;
    let at = 0;
    const end = data.length - (data.length % 8);
    for (; at < end; at += 8) {
      const a =
        low ^
        ((data[at] as number) |
          ((data[at + 1] as number) << 8) |
          ((data[at + 2] as number) << 16) |
          ((data[at + 3] as number) << 24));
      const b =
        high ^
        ((data[at + 4] as number) |
          ((data[at + 5] as number) << 8) |
          ((data[at + 6] as number) << 16) |
          ((data[at + 7] as number) << 24));
      const i0 = 1792 + (a & 0xff);
      const i1 = 1536 + ((a >>> 8) & 0xff);
      const i2 = 1280 + ((a >>> 16) & 0xff);
      const i3 = 1024 + (a >>> 24);
      const i4 = 768 + (b & 0xff);
      const i5 = 512 + ((b >>> 8) & 0xff);
      const i6 = 256 + ((b >>> 16) & 0xff);
      const i7 = b >>> 24;
      low =
        (LOW[i0] as number) ^
        (LOW[i1] as number) ^
        (LOW[i2] as number) ^
        (LOW[i3] as number) ^
        (LOW[i4] as number) ^
        (LOW[i5] as number) ^
        (LOW[i6] as number) ^
        (LOW[i7] as number);
      high =
        (HIGH[i0] as number) ^
        (HIGH[i1] as number) ^
        (HIGH[i2] as number) ^
        (HIGH[i3] as number) ^
        (HIGH[i4] as number) ^
        (HIGH[i5] as number) ^
        (HIGH[i6] as number) ^
        (HIGH[i7] as number);
    }
    for (; at < data.length; at++) {
      const next = (low ^ (data[at] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (LOW[next] as number);
      high = (high >>> 8) ^ (HIGH[next] as number);
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
