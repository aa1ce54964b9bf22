import { isStoreError } from "@bootc-store/core";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { decompress, type DecompressOptions } from "../index.ts";

async function* chunked(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function output(bytes: Uint8Array, size?: number, options?: DecompressOptions): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(decompress(chunked(bytes, size), options)));
}

async function codeOf(bytes: Uint8Array, size?: number, options?: DecompressOptions): Promise<string> {
  try {
    await output(bytes, size, options);
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

/** Compressible, and not the same everywhere. */
function sample(size: number): Buffer {
  const words = randomBytes(4096).toString("hex");
  return Buffer.from(words.repeat(Math.ceil(size / words.length)).slice(0, size));
}

function skippable(content: Uint8Array, magic = 0x50): Buffer {
  const head = Buffer.from([magic, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

const zstd = (bytes: Uint8Array, params: Record<number, number> = {}): Buffer =>
  zstdCompressSync(bytes, { params });

describe("gzip", () => {
  test.each([1, 2, 30])("%i members", async (count) => {
    const parts = Array.from({ length: count }, () => sample(1000 + Math.floor(Math.random() * 100_000)));
    const bytes = Buffer.concat(parts.map((part) => gzipSync(part)));
    for (const size of [7, 4096, bytes.length])
      expect(await output(bytes, size)).toEqual(Buffer.concat(parts));
  });

  test("a header with a name, extra fields and a comment", async () => {
    const content = sample(5000);
    const raw = deflateRawSync(content);
    const plain = gzipSync(content);
    const head = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3]),
      Buffer.from([4, 0, 0x41, 0x42, 0, 0]),
      Buffer.from("name\0comment\0"),
    ]);
    const bytes = Buffer.concat([head, raw, plain.subarray(plain.length - 8)]);
    expect(await output(bytes, 3)).toEqual(content);
  });

  test("zeros after the end are padding; all else is an error", async () => {
    const bytes = gzipSync(sample(3000));
    expect(await codeOf(Buffer.concat([bytes, Buffer.alloc(700)]))).toBe("accepted");
    expect(await codeOf(Buffer.concat([bytes, Buffer.from("garbage after the end")]))).toBe(
      "oci/compressed-invalid",
    );
  });

  test("damage", async () => {
    const bytes = gzipSync(sample(3000));
    for (let at = 3; at < bytes.length; at += 97) {
      expect(await codeOf(bytes.subarray(0, at))).toMatch(/oci\/compressed-truncated|accepted/);
    }
    expect(await codeOf(bytes.subarray(0, bytes.length - 1))).toBe("oci/compressed-truncated");
    const wrong = Buffer.from(bytes);
    wrong[wrong.length - 6] = (wrong[wrong.length - 6] as number) ^ 1;
    expect(await codeOf(wrong)).toBe("oci/compressed-invalid");
  });
});

describe("zstd", () => {
  test.each([1, 2, 1000])("%i frames", async (count) => {
    const parts = Array.from({ length: count }, (_, at) => sample(at % 7 === 0 ? 0 : 500 + at));
    const bytes = Buffer.concat(parts.map((part) => zstd(part)));
    for (const size of [5, 4096, bytes.length])
      expect(await output(bytes, size)).toEqual(Buffer.concat(parts));
  });

  test("large frames, with and without a size and a checksum", async () => {
    const parts = [randomBytes(3 << 20), sample(20 << 20), sample(100)];
    const bytes = Buffer.concat([
      zstd(parts[0] as Buffer, { [constants.ZSTD_c_contentSizeFlag]: 0 }),
      zstd(parts[1] as Buffer, { [constants.ZSTD_c_checksumFlag]: 1 }),
      zstd(parts[2] as Buffer),
    ]);
    const hash = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
    expect(hash(await output(bytes))).toBe(hash(Buffer.concat(parts)));
  });

  test("skippable frames anywhere", async () => {
    const part = sample(9000);
    const bytes = Buffer.concat([
      skippable(randomBytes(10)),
      zstd(part),
      skippable(Buffer.alloc(0), 0x5f),
      zstd(part),
      skippable(randomBytes(100_000), 0x57),
    ]);
    for (const size of [1, 4096]) expect(await output(bytes, size)).toEqual(Buffer.concat([part, part]));
  });

  test("cut at every byte", async () => {
    const bytes = Buffer.concat([
      zstd(sample(400), { [constants.ZSTD_c_checksumFlag]: 1 }),
      zstd(sample(90)),
    ]);
    const first = zstd(sample(400), { [constants.ZSTD_c_checksumFlag]: 1 }).length;
    const accepted: number[] = [];
    for (let at = 6; at < bytes.length; at++) {
      const code = await codeOf(bytes.subarray(0, at));
      if (code === "accepted") accepted.push(at);
      else expect(code).toBe("oci/compressed-truncated");
    }
    expect(accepted.length).toBeLessThanOrEqual(1);
    for (const at of accepted) expect(Math.abs(at - first)).toBeLessThan(16);
  });

  test("damage of every byte is refused, or changes nothing but the output", async () => {
    const bytes = zstd(sample(2000), { [constants.ZSTD_c_checksumFlag]: 1 });
    for (let at = 4; at < bytes.length; at++) {
      const wrong = Buffer.from(bytes);
      wrong[at] = (wrong[at] as number) ^ 0x41;
      expect(await codeOf(wrong), `byte ${at}`).toMatch(/^oci\/(?:compress|zstd|decompressed)/);
    }
  });

  test("garbage between and after frames", async () => {
    const frame = zstd(sample(100));
    for (const bytes of [
      [frame, Buffer.from("x".repeat(50))],
      [frame, Buffer.alloc(8)],
      [frame, Buffer.from("junk"), frame],
    ]) {
      expect(await codeOf(Buffer.concat(bytes))).toBe("oci/compressed-invalid");
    }
  });

  test("windows", async () => {
    const long = (log: number): Buffer => {
      const made = spawnSync("zstd", [`--long=${log}`, "-q", "-c", "-1"], {
        input: sample(100_000),
        maxBuffer: 1 << 28,
      });
      return made.stdout;
    };
    // By hand, since the encoder shrinks a window to what the content needs: 2^27 and 2^28 bytes.
    const frame = (log: number): Buffer =>
      Buffer.concat([
        Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3]),
        Buffer.from([0x01, 0x00, 0x00]),
      ]);
    expect(await codeOf(frame(27))).toBe("accepted");
    expect(await codeOf(frame(28))).toBe("oci/zstd-window");
    expect(await codeOf(frame(41))).toBe("oci/zstd-window");
    expect(await codeOf(frame(28), undefined, { maxWindow: 2 ** 28 })).toBe("accepted");
    if (spawnSync("zstd", ["--version"]).status === 0) expect((await output(long(27))).length).toBe(100_000);
  });

  test("a frame that needs a dictionary is refused", async () => {
    const bytes = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 0, 1, 0, 0]);
    expect(await codeOf(bytes)).toBe("oci/compression-unsupported");
  });
});

describe("bombs", () => {
  test("a gigabyte of zeros in a megabyte of gzip", async () => {
    const bytes = gzipSync(Buffer.alloc(1 << 30));
    expect(bytes.length).toBeLessThan(1.1 * (1 << 20));
    expect(await codeOf(bytes)).toBe("oci/decompressed-too-large");
  });

  test("and in a few bytes of zstd, whose blocks repeat", async () => {
    const blocks = Buffer.alloc(4 * 8192);
    for (let at = 0; at < 8192; at++)
      blocks.writeUInt32LE((at === 8191 ? 1 : 0) | 2 | ((128 << 10) << 3), at * 4);
    const bytes = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]), blocks]);
    expect(await codeOf(bytes)).toBe("oci/decompressed-too-large");
    expect(await codeOf(zstd(Buffer.alloc(1 << 28)))).toBe("oci/decompressed-too-large");
  });

  test("limits are options", async () => {
    const bytes = gzipSync(Buffer.alloc(1 << 20));
    expect(await codeOf(bytes)).toBe("accepted");
    expect(await codeOf(bytes, undefined, { limits: { maxSize: 1000 } })).toBe("oci/decompressed-too-large");
    expect(await codeOf(bytes, undefined, { limits: { ratioFloor: 0, maxRatio: 100 } })).toBe(
      "oci/decompressed-too-large",
    );
    expect(await codeOf(bytes, undefined, { limits: { ratioFloor: 0, maxRatio: 1100 } })).toBe("accepted");
  });
});

test("plain data, empty data, and what is not supported", async () => {
  const bytes = sample(100_000);
  expect(await output(bytes, 3)).toEqual(bytes);
  expect(await output(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  expect(await output(Buffer.from("ab"))).toEqual(Buffer.from("ab"));
  expect(await codeOf(Buffer.from("BZh91AY"))).toBe("oci/compression-unsupported");
  expect(await codeOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00]))).toBe(
    "oci/compression-unsupported",
  );
});

test("an error of the source comes out as it is, and leaving early closes the source", async () => {
  let closed = 0;
  async function* source(fail: boolean): AsyncGenerator<Uint8Array> {
    try {
      const bytes = gzipSync(randomBytes(8 << 20));
      yield* chunked(bytes.subarray(0, 5 << 20));
      if (fail) throw new RangeError("cut");
      yield* chunked(bytes.subarray(5 << 20));
    } finally {
      closed++;
    }
  }
  await expect(Array.fromAsync(decompress(source(true)))).rejects.toThrow("cut");
  expect(closed).toBe(1);
  for await (const chunk of decompress(source(false))) if (chunk.length > 0) break;
  expect(closed).toBe(2);
});

test("any bytes are data, or refused with a code", async () => {
  const heads = [
    Buffer.from([0x1f, 0x8b, 8]),
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
    Buffer.from([0x50, 0x2a, 0x4d, 0x18]),
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 60 }), async (head, rest) => {
      expect(await codeOf(Buffer.concat([head, rest]), 9)).toMatch(
        /^(?:accepted|oci\/(?:compress|zstd|decompressed))/,
      );
    }),
    { numRuns: 300 },
  );
});
