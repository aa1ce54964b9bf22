import { defineErrors, type ErrorKind } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { exitCodeOf } from "./command/index.ts";
import { TallyBuilder } from "./index.ts";

describe("exit codes", () => {
  test.each([
    ["usage", 2],
    ["not-found", 3],
    ["corrupt", 3],
    ["conflict", 3],
    ["read-only", 3],
    ["unsupported", 4],
    ["cancelled", 130],
    ["io", 3],
    ["bug", 3],
  ] as const)("an error of kind %s ends the program with %i", (kind: ErrorKind, code) => {
    expect(exitCodeOf(defineErrors("x", { y: { kind, meaning: "" } }).error("y", ""))).toBe(code);
  });

  test("a stranger's error is a failure", () => {
    expect(exitCodeOf(new TypeError("x"))).toBe(3);
  });
});

describe("tallies", () => {
  test("count files and bytes by how they came, and add up", () => {
    const one = new TallyBuilder();
    one.add("cloned", 10);
    one.add("cloned", 5, 2);
    one.add("copied", 1);
    const before = one.tally();
    const two = new TallyBuilder();
    two.addAll(before);
    two.addAll(before);
    one.add("reused", 100);
    expect(before).toEqual({
      reused: { files: 0, bytes: 0 },
      cloned: { files: 3, bytes: 15 },
      linked: { files: 0, bytes: 0 },
      copied: { files: 1, bytes: 1 },
    });
    expect(two.tally().cloned).toEqual({ files: 6, bytes: 30 });
  });
});
