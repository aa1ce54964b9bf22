import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  findComposefs,
  KernelCommandLine,
  KernelParameter,
  OstreeKernelArguments,
  parseComposefsDigestValue,
  parseComposefsValue,
  parseOstreeBootLink,
  printComposefsArgument,
  printOstreeBootLink,
} from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe("KernelParameter", () => {
  test.each([
    ["foo", "foo", undefined],
    ["foo=", "foo", ""],
    ["foo=bar=baz", "foo", "bar=baz"],
    ['foo="quoted value"', "foo", "quoted value"],
    ['"foo=quoted value"', "foo", "quoted value"],
    ['foo="unclosed quotes', "foo", "unclosed quotes"],
    ['foo=trailing_quotes"', "foo", "trailing_quotes"],
    ['"foo"=bar', 'foo"', "bar"],
    ['"foo="bar', "foo", "bar"],
    ['foo="internal"quotes"are"ok"', "foo", 'internal"quotes"are"ok'],
    ['"', "", undefined],
  ])("%s", (raw, key, value) => {
    const parameter = new KernelParameter(raw);
    expect([parameter.key, parameter.value]).toEqual([key, value]);
  });

  test("has keys that do not tell dashes from underscores", () => {
    expect(new KernelParameter("a-b=1").equals(new KernelParameter('a_b="1"'))).toBe(true);
    expect(new KernelParameter("a=").equals(new KernelParameter("a"))).toBe(false);
    expect(new KernelParameter("A=1").equals(new KernelParameter("a=1"))).toBe(false);
  });
});

describe("KernelCommandLine", () => {
  const line = (text: string) => new KernelCommandLine(text);

  test("splits at white space outside of quotes", () => {
    expect(line(' a  b="c d"\te\n"f g" h="i').parameters.map(({ raw }) => raw)).toEqual([
      "a",
      'b="c d"',
      "e",
      '"f g"',
      'h="i',
    ]);
    expect(line('x="a b c').parameters).toHaveLength(1);
    expect(line("   ").parameters).toEqual([]);
  });

  test("is changed as bootc changes it", () => {
    const one = line("root=/dev/a  quiet console=tty0 console=ttyS0");
    expect(one.add("quiet")).toBe("existed");
    expect(one.toString()).toBe("root=/dev/a  quiet console=tty0 console=ttyS0");
    expect(one.add("rw")).toBe("added");
    expect(one.toString()).toBe("root=/dev/a  quiet console=tty0 console=ttyS0 rw");
    expect(one.addOrModify("console=hvc0")).toBe("modified");
    expect(one.toString()).toBe("root=/dev/a quiet console=hvc0 rw");
    expect(one.addOrModify("console=hvc0")).toBe("existed");
    expect(one.addOrModify("new=1")).toBe("added");
    expect(one.remove("console")).toBe(true);
    expect(one.remove("console")).toBe(false);
    expect(one.removeExact("new=2")).toBe(false);
    expect(one.removeExact("new=1")).toBe(true);
    expect(one.toString()).toBe("root=/dev/a quiet rw");
    expect([one.valueOf("root"), one.valueOf("rw"), one.find("none")]).toEqual([
      "/dev/a",
      undefined,
      undefined,
    ]);
    expect(line("").add("a")).toBe("added");
  });

  test("equals another with the same parameters in another order", () => {
    expect(line("a b=1 b=2").equals(line("b=2 a b=1"))).toBe(true);
    expect(line("a a").equals(line("a"))).toBe(false);
    expect(line("a=").equals(line("a"))).toBe(false);
  });

  test("adds, finds and removes whatever is given", () => {
    const word = fc
      .stringMatching(/^[a-z_-]{1,4}(=[a-z"]{0,4})?$/)
      .filter((text) => (text.split('"').length - 1) % 2 === 0);
    fc.assert(
      fc.property(fc.array(word), word, (words, extra) => {
        const one = line(words.join(" "));
        expect(one.parameters.map(({ raw }) => raw)).toEqual(words);
        const before = one.toString();
        const result = one.add(extra);
        expect(one.parameters.some((parameter) => parameter.equals(new KernelParameter(extra)))).toBe(true);
        expect(one.toString() === before).toBe(result === "existed");
        expect(one.removeExact(extra)).toBe(true);
        expect(one.removeExact(extra)).toBe(false);
      }),
    );
  });
});

describe("composefs arguments", () => {
  const sha256 = "ab".repeat(32);
  const sha512 = "cd".repeat(64);

  test.each([
    [`composefs=${sha512}`, { form: "composefs", hex: sha512, algorithm: "sha512", verityOptional: false }],
    [`composefs=?${sha256}`, { form: "composefs", hex: sha256, algorithm: "sha256", verityOptional: true }],
    [
      `composefs.digest=?v1-sha512-12:${sha512}`,
      {
        form: "composefs.digest",
        hex: sha512,
        algorithm: "sha512",
        verityOptional: true,
        format: { version: 1, blockBits: 12 },
      },
    ],
  ] as const)("%s", (text, argument) => {
    const value = text.slice(text.indexOf("=") + 1);
    expect(
      text.startsWith("composefs=") ? parseComposefsValue(value) : parseComposefsDigestValue(value),
    ).toEqual(argument);
    expect(printComposefsArgument(argument)).toBe(text);
  });

  test.each(["", "?", "abc", sha256.toUpperCase(), `??${sha256}`, `${sha256}0`])(
    "composefs=%s is none",
    (value) => {
      expect(() => parseComposefsValue(value)).toThrow(code("boot/composefs-argument-invalid"));
    },
  );

  test.each([
    sha512,
    `v1-sha256-12:${sha512}`,
    `v1-md5-12:${sha256}`,
    `v-sha256-12:${sha256}`,
    `v1-sha256-12:`,
  ])("composefs.digest=%s is none", (value) => {
    expect(() => parseComposefsDigestValue(value)).toThrow(code("boot/composefs-argument-invalid"));
  });

  test("are found by each reader as it looks for them", () => {
    const text = `rw composefs.digest=v1-sha256-12:${sha256} composefs.digest=v2-sha512-12:${sha512} composefs=?${sha512} composefs=x`;
    expect(findComposefs(text, { reader: "userspace", algorithm: "sha512" })).toMatchObject({
      form: "composefs",
      verityOptional: true,
    });
    expect(findComposefs(text, { reader: "initramfs", algorithm: "sha512" })).toMatchObject({
      format: { version: 2 },
    });
    expect(findComposefs(text, { reader: "initramfs", algorithm: "sha256" })).toMatchObject({ hex: sha256 });
    expect(findComposefs("composefs rw", { reader: "userspace", algorithm: "sha512" })).toBeUndefined();
    expect(() => findComposefs("composefs=x", { reader: "initramfs", algorithm: "sha512" })).toThrow(
      code("boot/composefs-argument-invalid"),
    );
  });
});

describe("ostree=", () => {
  test("is a boot link", () => {
    const text = `/ostree/boot.1/fedora-iot/${"e".repeat(64)}/0`;
    expect(parseOstreeBootLink(text)).toEqual({
      bootVersion: 1,
      stateroot: "fedora-iot",
      bootChecksum: "e".repeat(64),
      serial: 0,
    });
    expect(printOstreeBootLink(parseOstreeBootLink(text))).toBe(text);
  });

  test.each([
    "",
    "/ostree/boot.2/a/b/0",
    "/ostree/boot.0/a/b",
    "/ostree/boot.0/a/b/x",
    "ostree/boot.0/a/b/0",
    "/ostree/boot.0/a/b/0/c",
  ])("%j is none", (text) => {
    expect(() => parseOstreeBootLink(text)).toThrow(code("boot/ostree-argument-invalid"));
  });
});

describe("OstreeKernelArguments", () => {
  const after = (text: string, change: (list: OstreeKernelArguments) => void): string => {
    const list = OstreeKernelArguments.parse(text);
    change(list);
    return list.toString();
  };

  test("splits at single spaces", () => {
    expect(OstreeKernelArguments.parse('  a  b="c d" e').arguments).toEqual(["a", "", 'b="c d"', "e"]);
    expect(OstreeKernelArguments.parse('a "b c').arguments).toEqual(["a", '"b c']);
    expect(OstreeKernelArguments.parse("").arguments).toEqual([]);
    expect(OstreeKernelArguments.fromProcCmdline("BOOT_IMAGE=/x a=1 initrd=/y b\n").toString()).toBe("a=1 b");
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
    expect(OstreeKernelArguments.parse("a=1 a=2").lastValue("a")).toBe("2");
  });

  test.each<[string, (list: OstreeKernelArguments) => void, string, string]>([
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
