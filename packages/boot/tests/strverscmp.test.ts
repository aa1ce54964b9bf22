// glibc's strverscmp as the judge of ours.
import { spawnSync } from "node:child_process";

import { describe, expect, test } from "vitest";

import { compareStrverscmp } from "../src/index.ts";

const SCRIPT = `
import ctypes, json, sys
f = ctypes.CDLL("libc.so.6").strverscmp
f.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
sign = lambda n: (n > 0) - (n < 0)
print(json.dumps([sign(f(a.encode(), b.encode())) for a, b in json.load(sys.stdin)]))
`;

const ask = (pairs: readonly (readonly [string, string])[]) =>
  spawnSync("python3", ["-c", SCRIPT], {
    input: JSON.stringify(pairs),
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });

describe.skipIf(ask([]).status !== 0)("compareStrverscmp and glibc (needs python3 and libc.so.6)", () => {
  test("agree on all short strings", () => {
    const letters = ["", "0", "1", "9", "a", "."];
    const words = new Set<string>();
    for (const a of letters)
      for (const b of letters) for (const c of letters) for (const d of letters) words.add(a + b + c + d);
    const all = [...words];
    const pairs: (readonly [string, string])[] = [];
    for (let at = 0; at < all.length; at++) {
      for (let other = 0; other < all.length; other += 3) pairs.push([all[at] ?? "", all[other] ?? ""]);
    }
    const wanted = JSON.parse(ask(pairs).stdout) as number[];
    const ours = pairs.map(([a, b]) => Math.sign(compareStrverscmp(a, b)));
    const wrong = pairs.filter((_, at) => ours[at] !== wanted[at]);
    expect(wrong).toEqual([]);
    expect(pairs.length).toBeGreaterThan(100_000);
  });
});
