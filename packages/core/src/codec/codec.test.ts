import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { utf8 } from "../byte-string.ts";
import { ByteReader } from "./reader.ts";
import {
  allZero,
  any,
  bytesField,
  equals,
  field,
  flags,
  i64le,
  oneOf,
  struct,
  u16be,
  u16le,
  u32le,
  u64le,
  u8,
} from "./struct.ts";
import { ByteWriter } from "./writer.ts";

const MAGIC = 0xe0f5e1e2;

const header = struct("test header", 32, [
  field("magic", 0, u32le, equals(MAGIC), "identifies it"),
  field("kind", 4, u8, oneOf(1, 2), "what follows"),
  field("flags", 5, u8, flags(0b101), "options"),
  field("count", 6, u16be, any, "how many"),
  field("size", 8, u64le, any, "bytes"),
  field("time", 16, i64le, any, "seconds"),
  field("tag", 24, bytesField(4), any, "a name"),
  field("short", 28, u16le, any, "a number"),
  field("_reserved", 30, bytesField(2), allZero, "zero"),
]);

describe("struct", () => {
  test("decode undoes encode", () => {
    fc.assert(
      fc.property(
        fc.record({
          magic: fc.constant(MAGIC),
          kind: fc.constantFrom(1, 2),
          flags: fc.constantFrom(0, 1, 4, 5),
          count: fc.nat(0xffff),
          size: fc.bigInt(0n, 2n ** 64n - 1n),
          time: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
          tag: fc.uint8Array({ minLength: 4, maxLength: 4 }),
          short: fc.nat(0xffff),
        }),
        (value) => {
          const bytes = header.encode(value);
          expect(bytes.length).toBe(32);
          expect(header.decode(bytes)).toEqual(value);
        },
      ),
    );
  });

  test("any bytes decode or are refused with field and offset", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(8), (bytes, offset) => {
        try {
          header.decode(bytes, offset);
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^core\/data-(?:invalid|truncated)$/);
        }
      }),
    );
    const bytes = header.encode({
      magic: MAGIC,
      kind: 1,
      flags: 0,
      count: 0,
      size: 0n,
      time: 0n,
      tag: new Uint8Array(4),
      short: 0,
    });
    bytes[4] = 7;
    expect(() => header.decode(bytes, 0, 0x400)).toThrow(
      "test header › kind at 0x404: expected one of 0x1, 0x2, found 0x7",
    );
    bytes[4] = 1;
    bytes[31] = 1;
    expect(() => header.decode(bytes)).toThrow("_reserved at 0x1e");
  });

  test("a table with a hole or a wrong size does not load", () => {
    expect(() => struct("x", 8, [field("a", 0, u32le, any, ""), field("b", 5, u8, any, "")])).toThrow(
      expect.objectContaining({ code: "core/struct-table" }),
    );
    expect(() => struct("x", 5, [field("a", 0, u32le, any, "")])).toThrow(
      expect.objectContaining({ code: "core/struct-table" }),
    );
  });

  test("a value that does not fit is refused", () => {
    const one = struct("one", 2, [field("n", 0, u16le, any, "")]);
    for (const n of [-1, 65_536, 1.5, Number.NaN]) {
      expect(() => one.encode({ n })).toThrow(expect.objectContaining({ code: "core/value-range" }));
    }
  });
});

describe("cursors", () => {
  test("what is written is read back", () => {
    const writer = new ByteWriter(1);
    writer
      .u8(1)
      .u16le(2)
      .u16be(3)
      .u32le(4)
      .u32be(5)
      .u64le(6n)
      .u64be(7)
      .varint(300)
      .cString(utf8("é"))
      .align(16);
    const bytes = writer.finish();
    expect(bytes.length % 16).toBe(0);
    const reader = new ByteReader(bytes, { format: "t" });
    expect([
      reader.u8("a"),
      reader.u16le("b"),
      reader.u16be("c"),
      reader.u32le("d"),
      reader.u32be("e"),
    ]).toEqual([1, 2, 3, 4, 5]);
    expect([reader.u64le("f"), reader.size64be("g"), reader.varint("h")]).toEqual([6n, 7, 300]);
    expect(reader.takeCString(10, "i")).toBe(utf8("é"));
    expect(() => reader.expectEnd()).toThrow(expect.objectContaining({ code: "core/data-trailing" }));
    reader.skip(reader.remaining);
    reader.expectEnd();
  });

  test("varints round trip, and endless ones are refused", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const reader = new ByteReader(new ByteWriter().varint(value).finish(), { format: "v" });
        expect(reader.varint("n")).toBe(value);
        reader.expectEnd();
      }),
    );
    const endless = new ByteReader(new Uint8Array(20).fill(0x80), { format: "v" });
    expect(() => endless.varint("n")).toThrow(expect.objectContaining({ code: "core/data-invalid" }));
    const huge = new ByteReader(new Uint8Array(20).fill(0xff), { format: "v" });
    expect(() => huge.varint("n")).toThrow(expect.objectContaining({ code: "core/data-limit" }));
  });

  test("no read goes out of bounds and no length is trusted", () => {
    const reader = new ByteReader(new Uint8Array(8).fill(0xff), { format: "f", base: 0x100 });
    expect(() => reader.take(9, "name")).toThrow("f › name at 0x100: wanted 9 bytes, 8 bytes are left");
    expect(() => reader.take(-1, "name")).toThrow(expect.objectContaining({ code: "core/data-truncated" }));
    expect(() => reader.size64le("size")).toThrow(expect.objectContaining({ code: "core/data-limit" }));
    reader.seek(0);
    expect(() => reader.takeCString(4, "name")).toThrow(
      expect.objectContaining({ code: "core/data-truncated" }),
    );
    expect(() => reader.seek(9)).toThrow(expect.objectContaining({ code: "core/data-invalid" }));
  });
});
