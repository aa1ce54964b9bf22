import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compilePattern, printRegex } from "./matcher.ts";
import { Program } from "./program.ts";
import { parsePattern } from "./regex.ts";

const parse = (source: string) => parsePattern(source, { newlineBeforeEnd: false });

/** Patterns of the common part of PCRE and JavaScript, so that a third engine can be asked. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ pattern: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        "a",
        "b",
        "/",
        "\\.",
        ".",
        "[ab]",
        "[^a/]",
        "\\d",
        "\\w",
        "[a-c.]",
        "\\-",
        "\xe9",
        "\n",
      ),
    },
    { weight: 1, arbitrary: tie("pattern").map((inner) => `(${inner})`) },
    { weight: 1, arbitrary: tie("pattern").map((inner) => `(?:${inner})`) },
  ),
  pattern: fc
    .array(fc.tuple(tie("atom"), fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,3}", "{1,}", "*?")), {
      maxLength: 4,
    })
    .chain((parts) => {
      const text = parts.map((part) => part.join("")).join("");
      return fc.constantFrom(text, `${text}|b`, text, `^${text}`, `${text}$`);
    }),
})).pattern;

describe("patterns", () => {
  test("mean the same to all three engines", () => {
    let found = 0;
    const text = fc
      .array(fc.constantFrom("a", "b", "c", "/", ".", "0", "-", "\xe9", "\n"), { maxLength: 8 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 5 }), (source, texts) => {
        const parsed = parse(`^(?:${source})$`);
        const program = new Program(parsed);
        const matcher = compilePattern(parsed);
        // oxlint-disable-next-line detect-non-literal-regexp
        const raw = new RegExp(`^(?:${source})$`, "s");
        for (const one of texts) {
          const wanted = raw.test(one);
          expect([
            program.matches(one),
            matcher.matches(one),
            new RegExp(printRegex(parsed)).test(one),
          ]).toEqual([wanted, wanted, wanted]);
          found += wanted ? 1 : 0;
        }
      }),
      { numRuns: 500 },
    );
    expect(found).toBeGreaterThan(50);
  });

  test.each([
    [
      "^/usr/(?!no)[a-z]+look$",
      ["/usr/look", "/usr/xlook", "/usr/nolook", "/usr/nxlook"],
      [false, true, false, true],
    ],
    ["^/a(?=b|c).*$", ["/ab", "/ad", "/ac"], [true, false, true]],
    ["^.*(?<=lib|lib64)/x$", ["/usr/lib/x", "/usr/lib64/x", "/usr/li/x"], [true, true, false]],
    ["^.*(?<!a)b$", ["ab", "cb", "b"], [false, true, true]],
  ])("look around: %s", (source, texts, wanted) => {
    const matcher = compilePattern(parse(source));
    expect(texts.map((text) => matcher.matches(text))).toEqual(wanted);
    expect(() => matcher.matches("x".repeat(5000))).toThrow(
      expect.objectContaining({ code: "tree/label-regex-unsupported" }),
    );
  });

  test("that look around and could run away are refused", () => {
    expect(() => compilePattern(parse("^(a+)+(?!b)$"))).toThrow(
      expect.objectContaining({ code: "tree/label-regex-unsupported" }),
    );
  });

  test("are looked for anywhere unless anchored, like a top-level choice of libselinux", () => {
    const program = new Program(parse("^/usr|lib$"));
    expect(["/usr/x", "/var/lib", "/var/lib/x", "x/usr"].map((text) => program.matches(text))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test("end before a newline that is the last byte, where PCRE says so", () => {
    const [pcre, strict] = [true, false].map((newlineBeforeEnd) => parsePattern("^a$", { newlineBeforeEnd }));
    const answers = [pcre, strict].flatMap((one) =>
      one === undefined
        ? []
        : [
            compilePattern(one).matches("a\n"),
            new Program(one).matches("a\n"),
            new Program(one).matches("a\n\n"),
          ],
    );
    expect(answers).toEqual([true, true, false, false, false, false]);
  });

  test("take white space as ASCII has it", () => {
    const space = compilePattern(parse("^[\\s]\\S$"));
    expect([" x", "\xa0x", "\x0bx", " \xa0"].map((text) => space.matches(text))).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  test.each([
    "(?=a)*",
    "(?<=a*)b",
    "(?<!ab?)b",
    "(?<n>a)",
    "(?i)a",
    "(?>a)",
    "(?#c)",
    "(*FAIL)",
    "a*+",
    "a++",
    "a?+",
    "a{2}+",
    "\\1",
    "(a)\\1",
    "[[:alpha:]]",
    "[[.a.]]",
    "[[=a=]]",
    "[]a]",
    "[^]a]",
    "[a-\\d]",
    "[z-a]",
    "a{,3}",
    "a{",
    "a{x}",
    "a{3,2}",
    "a{70000}",
    "*a",
    "^*",
    "a**",
    "(a",
    "a)",
    "[a",
    "a\\",
    "\\Q",
    "\\E",
    "\\A",
    "\\Z",
    "\\z",
    "\\b",
    "\\B",
    "\\h",
    "\\R",
    "\\N",
    "\\K",
    "\\G",
    "\\v",
    "\\pL",
    "\\x{41}",
    "\\xg",
    "\\cA",
    "\\u0041",
    "\\o{1}",
    "\u0100",
    "a".repeat(5000),
    `${"(".repeat(200)}a${")".repeat(200)}`,
  ])("refuse %s", (source) => {
    expect(() => parse(source)).toThrow(expect.objectContaining({ code: "tree/label-regex-unsupported" }));
  });

  test("that would be huge when written out are refused", () => {
    const parsed = parse("^((a{1,500}){1,500})*$");
    expect(() => compilePattern(parsed)).toThrow(
      expect.objectContaining({ code: "tree/label-regex-unsupported" }),
    );
  });

  test.each([
    ["^(a+)+$", "a".repeat(5000) + "b"],
    ["^(.*)*(.*)*(.*)*x$", "a".repeat(5000)],
    ["^.*.*.*.*.*.*.*.*x$", "a".repeat(4000)],
    ["^(a|a)*b$", "a".repeat(4000)],
    [`^${"a?".repeat(40)}${"a".repeat(40)}b$`, "a".repeat(60)],
    [`^${"(a|a)".repeat(40)}b$`, "a".repeat(60)],
    ["^(a|a){1,40}b$", "a".repeat(60)],
    ["^.*a.*$", "b".repeat(300_000)],
  ])("that make a backtracking engine run away do not here: %s", (source, text) => {
    const start = performance.now();
    expect(compilePattern(parse(source)).matches(text)).toBe(false);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
