import { equalBytes, fromHex, isStoreError, toHex } from "@bootc-store/core";
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";

import {
  type Dict,
  gvariant,
  isTypeString,
  type Just,
  lookupValue,
  swap32,
  swap64,
  type ValueOf,
  variant,
  type Variant,
} from "./index.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", ""));

// The examples of the GVariant specification (section 2.7), as GLib serialises them, little endian.
const SPECIFIED: [type: string, value: unknown, bytes: string][] = [
  ["s", "hello world", "68656c6c6f20776f726c6400"],
  ["ms", { just: "hello world" }, "68656c6c6f20776f726c640000"],
  ["ms", undefined, ""],
  ["ab", [true, false, false, true, true], "0100000101"],
  ["(si)", ["foo", -1], "666f6f00ffffffff04"],
  [
    "a(si)",
    [
      ["hi", -2],
      ["bye", -1],
    ],
    "68690000feffffff03000000 62796500ffffffff04 0915",
  ],
  ["as", ["i", "can", "has", "strings?"], "6900 63616e00 68617300 737472696e67733f00 02060a13"],
  [
    "((ys)as)",
    [
      [105, "can"],
      ["has", "strings?"],
    ],
    "69 63616e00 68617300 737472696e67733f00 040d 05",
  ],
  ["(yy)", [0x70, 0x80], "7080"],
  ["(iy)", [96, 0x70], "60000000 70000000"],
  [
    "a(iy)",
    [
      [96, 0x70],
      [648, 0xf7],
    ],
    "60000000 70000000 88020000 f7000000",
  ],
  ["ai", [4, 258], "04000000 02010000"],
  ["{si}", ["a key", 514], "61206b657900 0000 02020000 06"],
  ["a{sv}", [["k", variant("u", 7)]], "6b00000000000000 07000000 0075 02 0f"],
  ["()", [], "00"],
  ["mv", { just: variant("y", 3) }, "03007900"],
];

describe("the specification's examples", () => {
  it.each(SPECIFIED)("%s", (type, value, bytes) => {
    const codec = gvariant(type);
    expect(toHex(codec.encode(value))).toBe(bytes.replaceAll(" ", ""));
    expect(codec.decode(hex(bytes))).toEqual(value);
  });
});

describe("types at compile time", () => {
  it("are those of the type string", () => {
    expectTypeOf<ValueOf<"(a{sv}aya(say)sstayay)">>().toEqualTypeOf<
      readonly [
        readonly (readonly [string, Variant])[],
        Uint8Array,
        readonly (readonly [string, Uint8Array])[],
        string,
        string,
        bigint,
        Uint8Array,
        Uint8Array,
      ]
    >();
    expectTypeOf<ValueOf<"mam(ub)">>().toEqualTypeOf<
      Just<readonly (Just<readonly [number, boolean]> | undefined)[]> | undefined
    >();
    expectTypeOf<Dict>().toEqualTypeOf<readonly (readonly [string, Variant])[]>();
    const dict: Dict = [["a", variant("as", ["x"])]];
    expectTypeOf(lookupValue(dict, "a", "as")).toEqualTypeOf<readonly string[] | undefined>();
    expect(lookupValue(dict, "a", "s")).toBeUndefined();
    expect(lookupValue(dict, "a", "as")).toEqual(["x"]);
  });
});

// Any type, and with it a value of it.

type Sample = { type: string; value: unknown };
const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter((each) => !each.includes("\0"));
const BASIC: { [letter: string]: fc.Arbitrary<unknown> } = {
  y: fc.nat(255),
  b: fc.boolean(),
  n: fc.integer({ min: -0x8000, max: 0x7fff }),
  q: fc.nat(0xffff),
  i: fc.integer(),
  u: fc.nat(0xffff_ffff),
  x: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  t: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  h: fc.integer(),
  d: fc.double({ noNaN: true }),
  s: text,
  o: fc.constantFrom("/", "/a", "/a/b_1"),
  g: fc.constantFrom("", "as", "a{sv}(ii)"),
};

const typeString: fc.Arbitrary<string> = fc.letrec<{ type: string }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 4, depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...Object.keys(BASIC), "v"),
    tie("type").map((inner) => `a${inner}`),
    tie("type").map((inner) => `m${inner}`),
    fc.array(tie("type"), { maxLength: 4 }).map((members) => `(${members.join("")})`),
    fc.tuple(fc.constantFrom("s", "u", "t", "y"), tie("type")).map(([key, value]) => `{${key}${value}}`),
  ),
})).type;

function split(members: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < members.length;) {
    let end = at + 1;
    while (!isTypeString(members.slice(at, end))) end++;
    parts.push(members.slice(at, end));
    at = end;
  }
  return parts;
}

function valueOf(type: string, depth = 0): fc.Arbitrary<unknown> {
  const letter = type[0] as string;
  if (type === "ay") return fc.uint8Array({ maxLength: 40 });
  if (letter === "v") {
    return depth > 2
      ? fc.constant({ type: "y", value: 1 })
      : typeString.chain((inner) => valueOf(inner, depth + 1).map((value) => ({ type: inner, value })));
  }
  if (letter === "a") return fc.array(valueOf(type.slice(1), depth + 1), { maxLength: depth === 0 ? 40 : 4 });
  if (letter === "m") {
    return fc.option(
      valueOf(type.slice(1), depth + 1).map((just) => ({ just })),
      { nil: undefined },
    );
  }
  if (letter === "(" || letter === "{") {
    return fc.tuple(...split(type.slice(1, -1)).map((member) => valueOf(member, depth + 1)));
  }
  return BASIC[letter] as fc.Arbitrary<unknown>;
}

const sample: fc.Arbitrary<Sample> = typeString.chain((type) =>
  valueOf(type).map((value) => ({ type, value })),
);
const order = fc.constantFrom("little", "big");
const runs = process.env["BOOTC_STORE_LONG"] === undefined ? 500 : 20_000;

/** Refusals with a code are what damaged bytes must lead to, and nothing else. */
function decodeOrRefuse(type: string, bytes: Uint8Array, byteOrder: "little" | "big" = "little"): unknown {
  try {
    return { value: gvariant(type).decode(bytes, { byteOrder }) };
  } catch (error) {
    if (
      isStoreError(error, "ostree/variant-not-normal", "ostree/variant-limit", "ostree/variant-type-invalid")
    ) {
      return undefined;
    }
    throw error;
  }
}

describe("any value of any type", () => {
  it("comes back from its bytes, in both byte orders", () => {
    fc.assert(
      fc.property(sample, order, ({ type, value }, byteOrder) => {
        const codec = gvariant(type);
        const bytes = codec.encode(value, { byteOrder });
        expect(codec.decode(bytes, { byteOrder })).toEqual(value);
      }),
      { numRuns: runs },
    );
  });

  it("has one form: what is read after a mutation is written as it was", () => {
    const mutation = fc.record({
      at: fc.nat(),
      to: fc.nat(255),
      cut: fc.nat(3),
      add: fc.uint8Array({ maxLength: 2 }),
    });
    fc.assert(
      fc.property(
        sample,
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        ({ type, value }, mutations) => {
          let bytes: Uint8Array = gvariant(type).encode(value);
          for (const { at, to, cut, add } of mutations) {
            bytes = Uint8Array.from([
              ...bytes.subarray(0, Math.max(0, bytes.length - (cut === 3 ? 1 : 0))),
              ...(cut === 2 ? add : []),
            ]);
            if (bytes.length > 0) bytes[at % bytes.length] = to;
          }
          const found = decodeOrRefuse(type, bytes) as { value: unknown } | undefined;
          if (found !== undefined) expect(equalBytes(gvariant(type).encode(found.value), bytes)).toBe(true);
        },
      ),
      { numRuns: runs * 4 },
    );
  });

  it("random bytes are refused by code or have that one form", () => {
    fc.assert(
      fc.property(typeString, fc.uint8Array({ maxLength: 64 }), order, (type, bytes, byteOrder) => {
        const found = decodeOrRefuse(type, bytes, byteOrder) as { value: unknown } | undefined;
        if (found === undefined) return;
        expect(equalBytes(gvariant(type).encode(found.value, { byteOrder }), bytes)).toBe(true);
      }),
      { numRuns: runs * 4 },
    );
  });
});

describe("widths of offsets", () => {
  it.each([250, 253, 254, 255, 256, 65_500, 65_532, 65_534, 65_536, 70_000])("around %i bytes", (length) => {
    const codec = gvariant("(sss)");
    const value = ["x".repeat(length), "", "y"] as const;
    const bytes = codec.encode(value);
    const body = length + 4;
    const width = body + 2 <= 255 ? 1 : body + 4 <= 65_535 ? 2 : 4;
    expect(bytes.length).toBe(body + 2 * width);
    expect(codec.decode(bytes)).toEqual(value);
  });

  it("wider than they have to be are refused", () => {
    // 251 bytes and two offsets of one byte would be 253; with two bytes each they are 255, read as one byte each.
    const body = 252;
    const wide = new Uint8Array(body + 4 + 2);
    wide.fill(0x61, 0, body - 2);
    wide[body + 1] = 0;
    expect(decodeOrRefuse("(sss)", wide)).toBeUndefined();
  });
});

const HOSTILE: [name: string, type: string, bytes: string][] = [
  ["nothing for a string", "s", ""],
  ["a string without NUL", "s", "6161"],
  ["a NUL inside of a string", "s", "610061 00"],
  ["a string that is not UTF-8", "s", "ff00"],
  ["half of a surrogate pair", "s", "eda08000"],
  ["a boolean of 2", "b", "02"],
  ["a number that is too short", "u", "010203"],
  ["an array that is no multiple", "au", "0102030405"],
  ["padding between members", "(yu)", "01 000001 01000000"],
  ["padding at the end", "(uy)", "01000000 01 000001"],
  ["a unit tuple that is not zero", "()", "01"],
  ["an offset beyond the end", "as", "6100 05"],
  ["offsets that go back", "as", "6100 6200 04 02"],
  ["an array of offsets only", "as", "00"],
  ["a gap before the table", "(su)", "6100 0000 01000000 00 02"],
  ["an empty variant", "v", ""],
  ["a variant without type", "v", "0100"],
  ["a variant of two types", "v", "0100 7979"],
  ["a variant whose value is too short", "v", "01 00 75"],
  ["a maybe without its end", "ms", "610001"],
  ["an object path with a slash at its end", "o", "2f612f00"],
  ["a signature that is none", "g", "7a00"],
];

describe("what is not in normal form", () => {
  it.each(HOSTILE)("%s", (_name, type, bytes) => {
    expect(() => gvariant(type).decode(hex(bytes))).toThrowError(
      expect.objectContaining({
        code: expect.stringMatching(/^ostree\/variant-(not-normal|type-invalid)$/) as string,
      }),
    );
  });

  it("depth is bounded, in types and in variants in variants", () => {
    expect(() => gvariant(`${"a".repeat(200)}y`)).toThrowError(
      expect.objectContaining({ code: "ostree/variant-type-invalid" }),
    );
    expect(() => gvariant("(".repeat(100_000))).toThrowError(
      expect.objectContaining({ code: "ostree/variant-type-invalid" }),
    );
    let bytes = Uint8Array.from([1, 0, 0x79]);
    for (let level = 0; level < 300; level++) bytes = Uint8Array.from([...bytes, 0, 0x76]);
    expect(() => gvariant("v").decode(bytes)).toThrowError(
      expect.objectContaining({ code: "ostree/variant-limit" }),
    );
    let value: Variant = variant("y", 1);
    for (let level = 0; level < 300; level++) value = variant("v", value);
    expect(() => gvariant("v").encode(value)).toThrowError(
      expect.objectContaining({ code: "ostree/variant-limit" }),
    );
  });

  it("elements are bounded before they are made", () => {
    const many = new Uint8Array(5_000_000);
    expect(() => gvariant("ab").decode(many, { maxElements: 1_000_000 })).toThrowError(
      expect.objectContaining({ code: "ostree/variant-limit" }),
    );
  });

  it.each(["", "a", "m", "(", "(y", "{sv", "{vs}", "{asv}", "{s}", "{syy}", "yy", "r", "z", ")", "a{sv}}"])(
    "%j is no type",
    (type) => {
      expect(isTypeString(type)).toBe(false);
    },
  );
});

describe("values that are not of the type", () => {
  it.each([
    ["y", 256],
    ["y", 1.5],
    ["i", 2 ** 31],
    ["t", -1n],
    ["t", 1],
    ["s", "a\0b"],
    ["s", "\ud800"],
    ["ay", [1]],
    ["as", "x"],
    ["(yy)", [1]],
    ["v", 1],
    ["b", 1],
    ["mi", 1],
    ["o", "a"],
  ])("%s: %o", (type, value) => {
    expect(() => gvariant(type).encode(value)).toThrowError(
      expect.objectContaining({ code: "ostree/variant-value-invalid" }),
    );
  });
});

it("numbers turn round", () => {
  expect(swap32(0x01020384)).toBe(0x84030201);
  expect(swap64(0x0102030405060788n)).toBe(0x8807060504030201n);
});
