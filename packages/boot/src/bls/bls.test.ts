import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  BlsEntry,
  BOOTC_KEY_ORDER,
  compareAsBootc,
  compareAsOstree,
  compareForMenu,
  compareVersions,
  OSTREE_KEY_ORDER,
  parseBlsFileName,
  parseOstreeEntryName,
  printBlsFileName,
  printBootcEntryName,
  printBootcSortKey,
  printInOrder,
  printOstreeEntryName,
} from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

/** As bootc wrote it at an installation. */
const BOOTC = `title Lab OS pub
version pub
linux /EFI/Linux/bootc_composefs-44720d/vmlinuz
initrd /EFI/Linux/bootc_composefs-44720d/initrd
options root=UUID=0f0f rw console=ttyS0 composefs=44720d lab=pub
sort-key bootc-lab-0
`;

describe("BlsEntry", () => {
  test("keeps every text as it is, in every dialect", () => {
    fc.assert(
      fc.property(
        fc
          .array(
            fc.constantFrom(
              "title x",
              "# c",
              "",
              " linux  /a ",
              "options\ta",
              "initrd /i",
              "\r",
              "é ü",
              "x",
              "-y z",
            ),
          )
          .map((lines) => lines.join("\n")),
        fc.constantFrom("uapi", "ostree", "bootc"),
        (text, dialect) => {
          expect(BlsEntry.parse(text, dialect).print()).toBe(text);
        },
      ),
    );
  });

  test("reads what bootc wrote", () => {
    const entry = BlsEntry.parse(BOOTC, "bootc");
    expect(entry.check()).toEqual({ kind: "linux", linux: "/EFI/Linux/bootc_composefs-44720d/vmlinuz" });
    expect([entry.title, entry.version, entry.sortKey, entry.initrds]).toEqual([
      "Lab OS pub",
      "pub",
      "bootc-lab-0",
      ["/EFI/Linux/bootc_composefs-44720d/initrd"],
    ]);
    expect(printInOrder(entry, BOOTC_KEY_ORDER)).toBe(BOOTC);
  });

  test("changes only what it is told to", () => {
    const entry = BlsEntry.parse("# mine\ntitle a\noptions one\n\nx-own  v\ninitrd /1\noptions two\n");
    entry.set("options", "three").add("initrd", "/2").set("version", "7");
    expect(entry.remove("title")).toBe(true);
    expect(entry.remove("title")).toBe(false);
    expect(entry.print()).toBe("# mine\noptions three\n\nx-own  v\ninitrd /1\ninitrd /2\nversion 7\n");
  });

  test("ends its last line before it adds another", () => {
    expect(BlsEntry.parse("title a").set("version", "1").print()).toBe("title a\nversion 1\n");
    expect(BlsEntry.of([]).print()).toBe("");
  });

  test("is read differently by each dialect", () => {
    const text = "options a\noptions\tb\n title t\nlinux  /k \ninitrd /1\ninitrd /2\n-x y\n";
    const read = (dialect: "uapi" | "ostree" | "bootc") => {
      const entry = BlsEntry.parse(text, dialect);
      return [entry.options, entry.title, entry.linux, entry.get("initrd"), entry.get("-x")];
    };
    expect(read("uapi")).toEqual(["a b", "t", "/k", "/2", "y"]);
    expect(read("ostree")).toEqual(["b", undefined, " /k ", "/1", undefined]);
    expect(read("bootc")).toEqual(["a", "t", "/k", "/2", "y"]);
  });

  test("is printed in ostree's order", () => {
    const entry = BlsEntry.parse(
      "x-a 1\ninitrd /1\nlinux /k\n# no\nversion 2\ninitrd /2\noptions o\ntitle t\n",
      "ostree",
    );
    expect(printInOrder(entry, OSTREE_KEY_ORDER)).toBe(
      "title t\nversion 2\noptions o\nlinux /k\ninitrd /1\ninitrd /2\nx-a 1\n",
    );
  });

  test.each([
    ["linux /k", "Missing 'version' value"],
    ["version 1", "Missing 'linux', 'efi', or 'uki' value"],
    ["version 1\nlinux /k\nuki /u", "'linux' and 'efi'/'uki' values present"],
    ["version 1\nlinux /k\nefi /u", "'linux' and 'efi'/'uki' values present"],
  ])("%j cannot be booted", (text, message) => {
    expect(() => BlsEntry.parse(text).check()).toThrow(
      expect.objectContaining({ code: "boot/bls-invalid", message }),
    );
  });

  test.each([
    ["title", "a\nlinux /evil"],
    ["a b", "c"],
    ["#x", "c"],
    ["", "c"],
    ["title", "  "],
  ])("%j %j cannot be a line", (key, value) => {
    expect(() => BlsEntry.of([[key, value]])).toThrow(code("boot/bls-value-invalid"));
  });

  test("of a UKI says so", () => {
    expect(BlsEntry.parse("version 1\nuki /u.efi").check()).toEqual({ kind: "efi", efi: "/u.efi" });
  });
});

describe("file names", () => {
  test.each([
    ["a.conf", { id: "a", triesLeft: undefined, triesDone: undefined }],
    ["a+3.conf", { id: "a", triesLeft: 3, triesDone: undefined }],
    ["a+b+2-1.conf", { id: "a+b", triesLeft: 2, triesDone: 1 }],
    ["a+-1.conf", { id: "a+-1", triesLeft: undefined, triesDone: undefined }],
  ])("%s", (name, parts) => {
    expect(parseBlsFileName(name)).toEqual(parts);
    expect(printBlsFileName(parts)).toBe(name);
  });

  test.each(["a", ".conf", "x/a.conf", "a.conf~"])("%s is none", (name) => {
    expect(() => parseBlsFileName(name)).toThrow(code("boot/file-name-invalid"));
  });

  test("of ostree and bootc", () => {
    expect(parseOstreeEntryName("ostree-12-fedora-iot+3.conf")).toEqual({
      id: "ostree-12-fedora-iot",
      number: 12,
      stateroot: "fedora-iot",
      triesLeft: 3,
      triesDone: undefined,
    });
    expect(parseOstreeEntryName("ostree-x.conf")).toBeUndefined();
    expect(parseOstreeEntryName("bootc_lab-1.conf")).toBeUndefined();
    expect(printOstreeEntryName(2)).toBe("ostree-2.conf");
    expect(printOstreeEntryName(2, { stateroot: "os", triesLeft: 5 })).toBe("ostree-2-os+5.conf");
    expect(printBootcEntryName("my-os", "41", "primary")).toBe("bootc_my_os-41-1.conf");
    expect(printBootcSortKey("my-os", "primary")).toBe("bootc-my-os-0");
    expect(printBootcEntryName("lab", "1", "secondary")).toBe("bootc_lab-1-0.conf");
    expect(printBootcSortKey("lab", "secondary")).toBe("bootc-lab-1");
  });
});

describe("orders", () => {
  const named = (name: string, text: string) => ({ name, entry: BlsEntry.parse(text) });
  const sorted = (entries: readonly { name: string; entry: BlsEntry }[]) =>
    entries.toSorted(compareForMenu).map(({ name }) => name);

  test("of a menu", () => {
    expect(
      sorted([
        named("a-1.conf", "version 9"),
        named("a-10.conf", "version 1"),
        named("k1.conf", "version 1\nsort-key a"),
        named("k2.conf", "version 2\nsort-key a"),
        named("k3.conf", "version 9\nsort-key b"),
        named("spent+0-3.conf", "version 99\nsort-key a"),
        named("m.conf", "version 0\nsort-key a\nmachine-id 0"),
      ]),
    ).toEqual(["k2.conf", "k1.conf", "m.conf", "k3.conf", "a-10.conf", "a-1.conf", "spent+0-3.conf"]);
  });

  test("of bootc and of ostree", () => {
    const entry = (text: string) => BlsEntry.parse(text);
    expect(compareAsBootc(entry("version 1\nsort-key b"), entry("version 2"))).toBeGreaterThan(0);
    expect(compareAsBootc(entry("version 1\nsort-key a"), entry("version 2\nsort-key b"))).toBeLessThan(0);
    expect(compareAsOstree(entry("version 10"), entry("version 9"))).toBeLessThan(0);
    expect(compareAsOstree(entry("title x"), entry("version 9"))).toBeGreaterThan(0);
  });

  test.each([
    ["11", "11", 0],
    ["systemd-123", "systemd-123", 0],
    ["bar-123", "foo-123", -1],
    ["123a", "123", 1],
    ["123.a", "123", 1],
    ["123.a", "123.b", -1],
    ["123a", "123.a", 1],
    ["11α", "11β", 0],
    ["A", "a", -1],
    ["", "0", -1],
    ["0.", "0", 1],
    ["0.0", "0", 1],
    ["0", "~", 1],
    ["", "~", 1],
    ["1_", "1", 0],
    ["_1", "1", 0],
    ["1_", "1.2", -1],
    ["1_2_3", "1.3.3", 1],
    ["1+", "1", 0],
    ["+1", "1", 0],
    ["1+", "1.2", -1],
    ["1+2+3", "1.3.3", 1],
    ["122.1", "123~rc1-1", -1],
    ["123~rc1-1", "123", -1],
    ["123", "123-a", -1],
    ["123-a", "123-a.1", -1],
    ["123-a.1", "123-1", -1],
    ["123-1", "123-1.1", -1],
    ["123-1.1", "123^post1", -1],
    ["123^post1", "123.a-1", -1],
    ["123.a-1", "123.1-1", -1],
    ["123.1-1", "123a-1", -1],
    ["123a-1", "124-1", -1],
    ["007", "7", 0],
  ] as const)("%s and %s", (a, b, wanted) => {
    expect(Math.sign(compareVersions(a, b))).toBe(wanted);
    expect(Math.sign(compareVersions(b, a))).toBe(0 - wanted);
  });

  test("of versions are total", () => {
    const version = fc
      .array(fc.constantFrom("~", "-", "^", ".", "0", "1", "10", "a", "B", "_"), { maxLength: 6 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        const [x, y, z] = [a, b, c].toSorted(compareVersions);
        expect(compareVersions(x ?? "", y ?? "")).toBeLessThanOrEqual(0);
        expect(compareVersions(y ?? "", z ?? "")).toBeLessThanOrEqual(0);
        expect(compareVersions(x ?? "", z ?? "")).toBeLessThanOrEqual(0);
        expect(Math.sign(compareVersions(a, b))).toBe(0 - Math.sign(compareVersions(b, a)));
      }),
    );
  });
});
