import { describe, expect, test } from "vitest";

import { OstreeKargs } from "../index.ts";

describe("OstreeKargs", () => {
  const after = (text: string, change: (list: OstreeKargs) => void): string => {
    const list = OstreeKargs.parse(text);
    change(list);
    return list.toString();
  };

  test("splits at single spaces", () => {
    expect(OstreeKargs.parse('  a  b="c d" e').arguments).toEqual(["a", "", 'b="c d"', "e"]);
    expect(OstreeKargs.parse('a "b c').arguments).toEqual(["a", '"b c']);
    expect(OstreeKargs.parse("").arguments).toEqual([]);
    expect(OstreeKargs.fromProcCmdline("BOOT_IMAGE=/x a=1 initrd=/y b\n").toString()).toBe("a=1 b");
  });

  test("changes as ostree does", () => {
    expect(after("a=1 b a=2", (list) => list.append("a=1"))).toBe("a=1 b a=2 a=1");
    expect(after("a=1 b a=2", (list) => list.appendIfMissing("a=2"))).toBe("a=1 b a=2");
    expect(after("a=1 b a=2", (list) => list.appendIfMissing("a"))).toBe("a=1 b a=2 a");
    expect(after("a=1 b a=2", (list) => list.replace("a=3"))).toBe("a=3 b");
    expect(after("b", (list) => list.replace("a=3"))).toBe("b a=3");
    expect(after("a=1 b a=2", (list) => list.newReplace("a=2=9"))).toBe("a=1 b a=9");
    expect(after("a=1 b", (list) => list.newReplace("a=9"))).toBe("a=9 b");
    expect(after("a=1 b a=2", (list) => list.delete("a=1"))).toBe("b a=2");
    expect(after("a=1 b", (list) => list.delete("a"))).toBe("b");
    expect(after("b", (list) => list.deleteIfPresent("a"))).toBe("b");
    expect(OstreeKargs.parse("a=1 a=2").lastValue("a")).toBe("2");
  });

  test.each<[string, (list: OstreeKargs) => void, string, string]>([
    ["a=1 a=2", (list) => list.delete("a"), "boot/karg-ambiguous", "Multiple values for key 'a' found"],
    ["a=1 a=2", (list) => list.newReplace("a=3"), "boot/karg-ambiguous", "Multiple values for key 'a' found"],
    ["a=1", (list) => list.delete("b"), "boot/karg-not-found", "No key 'b' found"],
    ["a=1", (list) => list.delete("a=2"), "boot/karg-not-found", "No karg 'a=2' found"],
    ["a=1", (list) => list.newReplace("b=2"), "boot/karg-not-found", "No key 'b' found"],
    ["a=1", (list) => list.newReplace("a=2=3"), "boot/karg-not-found", "No karg 'a=2' found"],
  ])("%s refuses with %#", (text, change, wanted, message) => {
    expect(() => after(text, change)).toThrow(expect.objectContaining({ code: wanted, message }));
  });
});
