import { describe, expect, test } from "vitest";

import { parseChallenges, parseRetryAfter } from "../index.ts";

describe("WWW-Authenticate", () => {
  const shown = (...lines: string[]): unknown[] =>
    parseChallenges(lines).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

  test.each([
    [
      'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
      [["bearer", { realm: "https://a/t", service: "s", scope: "repository:x:pull,push" }]],
    ],
    ['BASIC Realm="a b"', [["basic", { realm: "a b" }]]],
    ['Bearer realm="a\\"b\\\\c"', [["bearer", { realm: 'a"b\\c' }]]],
    ["Bearer realm=a , service = s", [["bearer", { realm: "a", service: "s" }]]],
    [
      'Basic realm="x", Bearer realm="y",service="z"',
      [
        ["basic", { realm: "x" }],
        ["bearer", { realm: "y", service: "z" }],
      ],
    ],
    ["Negotiate", [["negotiate", {}]]],
    [
      'Negotiate, Basic realm="x"',
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    ['Bearer realm="unterminated', [["bearer", {}]]],
    ['Bearer realm="a",service=,scope="x"', [["bearer", { realm: "a" }]]],
    ["", []],
    ["=", []],
  ])("%s", (line, wanted) => {
    expect(shown(line)).toEqual(wanted);
  });

  test("several lines", () => {
    expect(shown('Basic realm="a"', 'Bearer realm="b"')).toHaveLength(2);
  });
});

test.each([
  ["5", 5000],
  [" 0 ", 0],
  ["-1", undefined],
  ["1e9", undefined],
  ["99999999999999", undefined],
  ["Wed, 25 Nov 2026 00:00:10 GMT", 10_000],
  ["Wed, 25 Nov 2020 00:00:10 GMT", undefined],
  ["soon", undefined],
  [undefined, undefined],
])("Retry-After: %s", (text, ms) => {
  expect(parseRetryAfter(text, Date.parse("2026-11-25T00:00:00Z"))).toBe(ms);
});
