import { describe, expect, test } from "vitest";

import {
  BlsEntry,
  compareAsBootc,
  compareAsOstree,
  inBootOrder,
  parseBlsFileName,
  parseOsRelease,
  parseOstreeBootConfig,
  parseOstreeEntryName,
  printBlsFileName,
  printBootcEntryName,
  printBootcSortKey,
  printOstreeBootConfig,
  printOstreeEntryName,
} from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

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
  test("of bootc and of ostree", () => {
    const entry = (text: string) => BlsEntry.parse(text);
    expect(compareAsBootc(entry("version 1\nsort-key b"), entry("version 2"))).toBeGreaterThan(0);
    expect(compareAsBootc(entry("version 1\nsort-key a"), entry("version 2\nsort-key b"))).toBeLessThan(0);
    expect(compareAsOstree(entry("version 10"), entry("version 9"))).toBeLessThan(0);
    expect(compareAsOstree(entry("title x"), entry("version 9"))).toBeGreaterThan(0);
  });
});

test("file names are compared as versions, and spent entries come last", () => {
  const files = ["a-9.conf", "a-10.conf", "spent+0-3.conf", "b+2-1.conf"];
  const named = files.map((file) => ({ file, entry: BlsEntry.parse("version 1") }));
  const order = (reader: "systemd-boot" | "grub") => inBootOrder(named, reader).map(({ file }) => file);
  expect(order("systemd-boot")).toEqual(["b+2-1.conf", "a-10.conf", "a-9.conf", "spent+0-3.conf"]);
  expect(order("grub")).toEqual(["spent+0-3.conf", "b+2-1.conf", "a-10.conf", "a-9.conf"]);
});

describe("entries as ostree reads and writes them", () => {
  test("lose what is no key and value, and have the order of ostree", () => {
    const text =
      "x-a 1\ninitrd /1\nlinux  /k \n# no\nversion\t1\nversion 2\ninitrd /2\n title no\noptions a b\ntitle t\n";
    const config = parseOstreeBootConfig(text);
    expect(config.overlayInitrds).toEqual(["/2"]);
    expect(config.values.get("linux")).toBe(" /k ");
    expect(printOstreeBootConfig(config)).toBe(
      "title t\nversion 2\noptions a b\nlinux  /k \ninitrd /1\ninitrd /2\nx-a 1\n",
    );
  });
});

test("os-release is unquoted as a shell does", () => {
  const text = '# c\nID=lab\nA=\'b "c\'\nPRETTY_NAME="Lab \\"OS\\" \\$x"\nbad line\nE=\n';
  expect(parseOsRelease(text)).toEqual(
    new Map([
      ["ID", "lab"],
      ["A", 'b "c'],
      ["PRETTY_NAME", 'Lab "OS" $x'],
      ["E", ""],
    ]),
  );
});
