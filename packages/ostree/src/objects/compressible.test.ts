import { randomBytes } from "node:crypto";
import { deflateRawSync, gzipSync, inflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";

import { isCompressible } from "./compressible.ts";
import { deflateBytes } from "./deflate.ts";

const whole = (data: Uint8Array): boolean =>
  isCompressible(data.length, (offset, length) => data.subarray(offset, offset + length));
const words = (size: number): Buffer => Buffer.alloc(size, "the layers of an image, and what they share\n");

describe("whether compressing pays", () => {
  it("does for text, zeros and small contents", () => {
    expect(whole(words(1 << 20))).toBe(true);
    expect(whole(new Uint8Array(1 << 20))).toBe(true);
    expect(whole(randomBytes(1000))).toBe(true);
    expect(whole(new Uint8Array())).toBe(true);
  });

  it("does not for what is compressed already, of any size and at any place", () => {
    for (const size of [1 << 13, 40_000, 1 << 17, 1_000_001]) {
      expect(whole(randomBytes(size))).toBe(false);
      const archive = gzipSync(randomBytes(size).toString("base64"));
      expect(whole(archive)).toBe(false);
      expect(deflateBytes(archive, 6).length).toBeLessThan(archive.length + archive.length / 1000 + 64);
    }
  });

  it("does where only a part is dense, or what is dense repeats", () => {
    expect(whole(Buffer.concat([randomBytes(1 << 18), words(1 << 18)]))).toBe(true);
    expect(whole(Buffer.concat([words(1 << 17), randomBytes(1 << 17), words(1 << 17)]))).toBe(true);
    const block = randomBytes(5000);
    expect(whole(Buffer.concat(Array.from({ length: 40 }, () => block)))).toBe(true);
  });

  it("changes nothing about what comes back, and loses at most a fiftieth", () => {
    for (let round = 0; round < 200; round++) {
      const dense = randomBytes(1 + (randomBytes(3).readUIntBE(0, 3) % 200_000));
      const text = words(randomBytes(3).readUIntBE(0, 3) % 100_000);
      const data = Buffer.concat(round % 3 === 0 ? [dense] : round % 3 === 1 ? [text, dense] : [dense, text]);
      const packed = deflateBytes(data, 6);
      expect(inflateRawSync(packed).equals(data)).toBe(true);
      if (round % 3 === 0)
        expect(packed.length).toBeLessThan(deflateRawSync(data, { level: 6 }).length * 1.02 + 64);
    }
  });
});
