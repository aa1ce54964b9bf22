import fc from "fast-check";
import { describe, expect, test } from "vitest";

import * as core from "./index.ts";

const { byteString, bytesOf, compareByteStrings, displayName, isByteString, textOf, utf8 } = core;

describe("byte strings", () => {
  test("hold any bytes and compare as bytes do", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        expect(bytesOf(byteString(a))).toEqual(new Uint8Array(a));
        expect(isByteString(byteString(a))).toBe(true);
        expect(Math.sign(compareByteStrings(byteString(a), byteString(b)))).toBe(
          Math.sign(core.compareBytes(a, b)),
        );
      }),
    );
    const long = new Uint8Array(100_000).map((_, at) => at % 256);
    expect(bytesOf(byteString(long))).toEqual(long);
  });

  test("text goes in and out as UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => void expect(textOf(utf8(text))).toBe(text)),
    );
    expect(utf8("é").length).toBe(2);
    expect(textOf(byteString(new Uint8Array([0xff])))).toBeUndefined();
  });

  test("what is shown can neither break a line nor drive a terminal", () => {
    expect(displayName(utf8("a\nb\u001b[31m\u202e"))).toBe("a\\x0ab\\x1b[31m\\u{202e}");
    expect(displayName(byteString(new Uint8Array([0x61, 0xff, 0x0a])))).toBe("a\\xff\\x0a");
    expect(displayName(utf8("größe"))).toBe("größe");
  });
});

describe("bytes and digests", () => {
  test("hexadecimal round trips and refuses the rest", () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        (a) => void expect(core.fromHex(core.toHex(a))).toEqual(new Uint8Array(a)),
      ),
    );
    for (const bad of ["0", "zz", "0x00"]) {
      expect(() => core.fromHex(bad)).toThrow(expect.objectContaining({ code: "core/not-hex" }));
    }
  });

  test("digests are parsed once and strictly", () => {
    const hex = "a".repeat(64);
    const digest = core.parseDigest(`sha256:${hex}`);
    expect(digest).toEqual({ algorithm: "sha256", hex });
    expect(core.printDigest(digest)).toBe(`sha256:${hex}`);
    expect(core.equalDigests(digest, core.digestFromBytes("sha256", core.fromHex(hex)))).toBe(true);
    for (const bad of [
      "",
      "sha256",
      `sha256:${hex}0`,
      `sha256:${hex.toUpperCase()}`,
      `md5:${hex}`,
      `__proto__:${hex}`,
    ]) {
      expect(() => core.parseDigest(bad)).toThrow(expect.objectContaining({ code: "core/digest-invalid" }));
      expect(core.parseDigestOptional(bad)).toBeUndefined();
    }
  });
});

describe("errors", () => {
  const errors = core.defineErrors("pkg", {
    "thing-missing": { kind: "not-found", meaning: "no thing", hint: "make one" },
  });

  test("carry code, kind, hint, context and cause", () => {
    const cause = new Error("root");
    const error = errors.error("thing-missing", "no thing\nhere", { context: { path: "a/b" }, cause });
    expect(error.code).toBe("pkg/thing-missing");
    expect(error.kind).toBe("not-found");
    expect(error.hint).toBe("make one");
    expect(error.cause).toBe(cause);
    expect(error.message).toBe("no thing\\x0ahere");
    expect(core.isStoreError(error, "pkg/thing-missing")).toBe(true);
    expect(core.isStoreError(error, "pkg/other")).toBe(false);
  });

  test("survive a crossing as JSON, with their trail and causes", async () => {
    const inner = errors.error("thing-missing", "inner");
    const outer = errors.error("thing-missing", "outer", { cause: inner, context: { offset: 2n ** 60n } });
    const caught = await core
      .withContext({ op: "open repository", path: "composefs" }, () => {
        throw outer;
      })
      .catch((error: unknown) => error as core.StoreError);
    expect(caught).toBe(outer);
    const back = core.StoreError.fromJSON(JSON.parse(JSON.stringify(outer)) as core.StoreErrorJson);
    expect(back).toBeInstanceOf(core.StoreError);
    expect(back.code).toBe("pkg/thing-missing");
    expect(back.cause).toBeInstanceOf(core.StoreError);
    expect(back.context).toEqual({ offset: String(2n ** 60n) });
    expect(core.renderError(back)).toBe("open repository composefs: outer: inner (pkg/thing-missing)");
  });

  test("the synchronous form adds context too, and leaves strangers alone", () => {
    const stranger = new TypeError("x");
    expect(() =>
      core.withContextSync({ op: "a" }, () => {
        throw stranger;
      }),
    ).toThrow(stranger);
    expect(core.renderError(stranger)).toBe("x");
  });
});

describe("lifetimes, signals, crash points", () => {
  test("a lifetime ends once", () => {
    const life = new core.Lifetime("thing");
    life.assertOpen();
    expect(life.end()).toBe(true);
    expect(life.end()).toBe(false);
    expect(() => life.assertOpen()).toThrow(
      expect.objectContaining({ code: "core/use-after-dispose", kind: "bug" }),
    );
  });

  test("signals become one error", () => {
    const controller = new AbortController();
    core.throwIfAborted(controller.signal);
    core.throwIfAborted(undefined);
    let calls = 0;
    const kept = core.whenAborted(controller.signal, () => calls++);
    const dropped = core.whenAborted(controller.signal, () => (calls += 100));
    dropped[Symbol.dispose]();
    controller.abort();
    expect(calls).toBe(1);
    kept[Symbol.dispose]();
    expect(() => core.throwIfAborted(controller.signal)).toThrow(
      expect.objectContaining({ code: "core/cancelled", kind: "cancelled" }),
    );
    core.whenAborted(controller.signal, () => calls++);
    expect(calls).toBe(2);
  });

  test("crash points are silent unless someone listens", () => {
    const seen: string[] = [];
    core.crashPoint("core/test/before");
    {
      using _ = core.onCrashPoint((name) => seen.push(name));
      core.crashPoint("core/test/inside");
    }
    core.crashPoint("core/test/after");
    expect(seen).toEqual(["core/test/inside"]);
  });
});

test("the public names", () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "DIGEST_SIZES",
      "Lifetime",
      "StoreError",
      "byteString",
      "bytesOf",
      "cancelled",
      "canonicalJson",
      "compareByteStrings",
      "compareBytes",
      "concatBytes",
      "coreErrors",
      "crashPoint",
      "defineErrors",
      "digestFromBytes",
      "digestFromHex",
      "displayName",
      "equalBytes",
      "equalDigests",
      "fromHex",
      "isByteString",
      "isStoreError",
      "onCrashPoint",
      "parseDigest",
      "parseDigestOptional",
      "printDigest",
      "printable",
      "renderError",
      "signalOf",
      "silentLog",
      "textOf",
      "throwIfAborted",
      "toHex",
      "utf8",
      "whenAborted",
      "withContext",
      "withContextSync",
    ]
  `);
});
