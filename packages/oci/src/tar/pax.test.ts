import { byteString, bytesOf, type ByteString } from "@bootc-store/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parsePax, parsePaxTime, printPax, printPaxTime } from "./pax.ts";

const value = fc.uint8Array({ maxLength: 200 }).map(byteString);
const key = fc.stringMatching(/^[A-Za-z.]{1,100}$/).map((text) => `X.${text}` as ByteString);

describe("pax records", () => {
  test("are parsed as they were printed, whatever bytes are in them", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value)), (records) => {
        const bytes = bytesOf(records.map(([name, bytes]) => printPax(name, bytes)).join("") as ByteString);
        expect(parsePax(bytes)).toEqual(records);
      }),
    );
  });

  test("a length counts its own digits, also where they grow by one", () => {
    for (let size = 0; size < 1100; size++) {
      const text = printPax("k" as ByteString, "v".repeat(size) as ByteString);
      expect(Number(text.slice(0, text.indexOf(" ")))).toBe(text.length);
    }
  });

  test("times go both ways", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.nat(999_999_999), (sec, nsec) => {
        expect(parsePaxTime(printPaxTime({ sec, nsec }))).toEqual({ sec, nsec });
      }),
    );
    expect(parsePaxTime("-9.5" as ByteString)).toEqual({ sec: -10, nsec: 500_000_000 });
    expect(parsePaxTime("1.1234567891" as ByteString)).toEqual({ sec: 1, nsec: 123_456_789 });
    for (const bad of ["", "x", "1.2.3", "1e3"]) expect(parsePaxTime(bad as ByteString)).toBeUndefined();
  });
});
