import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  BlsEntry,
  bootCounter,
  chainloaderOf,
  compareVersions,
  composefsDigestKargs,
  composefsKarg,
  inBootOrder,
  KernelCmdline,
  parseGrubMenu,
  parseOstreeKarg,
  parseSyslinux,
  parseUEnv,
  printComposefsKarg,
  printGrubMenu,
  printOstreeKarg,
  readPeSections,
  readUkiSection,
  readUkiText,
  BOOTC_USER_CONFIG_HEADER,
  bootcUkiMenuEntry,
  parseOstreeBootConfig,
  printEfiUuidConfig,
  printSyslinuxConfig,
  printUbootEnvironment,
} from "./index.ts";

const refusedWith = (code: string): unknown => expect.objectContaining({ code });

describe("boot entries", () => {
  const OSTREE = `title Fedora 43 (ostree:0)
version 2
options root=UUID=1 rw ostree=/ostree/boot.1/os/${"a".repeat(64)}/0
linux /ostree/os-a/vmlinuz
initrd /ostree/os-a/initramfs.img
initrd /overlay.img
aboot /x
`;

  test("what is not changed is printed as it was read", () => {
    const odd = "# a comment\n\ntitle  Two blanks  \nlonely\nkey\ttab\nx-options-source-a b\n";
    expect(BlsEntry.parse(odd).print()).toBe(odd);
    expect(BlsEntry.parse(odd).title).toBe("Two blanks");
    expect(BlsEntry.parse(odd).get("key")).toBe("tab");
    expect(BlsEntry.parse(odd).get("lonely")).toBeUndefined();
    expect(BlsEntry.parse(OSTREE).print()).toBe(OSTREE);
  });

  test("says what it boots", () => {
    expect(BlsEntry.parse(OSTREE).kind()).toEqual({
      kind: "linux",
      linux: "/ostree/os-a/vmlinuz",
      initrds: ["/ostree/os-a/initramfs.img", "/overlay.img"],
    });
    expect(BlsEntry.parse("uki /EFI/a.efi\n").kind()).toEqual({
      kind: "efi",
      key: "uki",
      path: "/EFI/a.efi",
    });
    expect(BlsEntry.parse("efi /b.efi\nlinux /c\n").kind()).toEqual({ kind: "conflict" });
    expect(BlsEntry.parse("title x\n").kind()).toEqual({ kind: "none" });
  });

  test("keys are set in their place, and new ones where ostree writes them", () => {
    const entry = BlsEntry.parse(OSTREE);
    entry.set("options", "quiet");
    entry.set("initrd", "/one.img");
    entry.set("sort-key", "s");
    entry.remove("aboot");
    expect(entry.print()).toBe(
      "title Fedora 43 (ostree:0)\nversion 2\noptions quiet\nlinux /ostree/os-a/vmlinuz\ninitrd /one.img\nsort-key s\n",
    );
    const made = new BlsEntry();
    for (const [key, value] of [
      ["linux", "/k"],
      ["other", "o"],
      ["version", "1"],
      ["title", "t"],
    ] as const)
      made.set(key, value);
    expect(made.print()).toBe("title t\nversion 1\nlinux /k\nother o\n");
  });

  test("a value cannot smuggle in a line", () => {
    const entry = new BlsEntry();
    for (const [key, value] of [
      ["title", "a\nlinux /evil"],
      ["title", ""],
      ["ti tle", "x"],
      ["", "x"],
    ] as const) {
      expect(() => entry.set(key, value)).toThrow(refusedWith("boot/entry-key-invalid"));
    }
  });

  test("any text is kept, line for line", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (lines) => {
        const text = lines.map((line) => `${line.replaceAll("\n", "")}\n`).join("");
        expect(BlsEntry.parse(text).print()).toBe(text);
      }),
    );
    expect(() => BlsEntry.parse("\n".repeat(20_000))).toThrow(refusedWith("boot/limit-exceeded"));
  });
});

describe("the order of entries", () => {
  // The examples of the UAPI group's specification.
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
    ["1_2", "1.2", 1],
    ["1_2_3", "1.3.3", 1],
    ["1-2", "1.2", -1],
    ["1^post", "1", 1],
    ["9", "10", -1],
    ["007", "7", 0],
  ])("%j and %j", (a, b, order) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order);
    expect(Math.sign(compareVersions(b, a))).toBe(order === 0 ? 0 : -order);
  });

  const named = (file: string, text: string) => ({ file, entry: BlsEntry.parse(text) });

  test("systemd-boot goes by sort key and version, GRUB by file name", () => {
    const entries = [
      named("bootc_os-1-0.conf", "version 1\nsort-key bootc-os-1\nlinux /a\n"),
      named("bootc_os-2-1.conf", "version 2\nsort-key bootc-os-0\nlinux /b\n"),
      named("bootc_os-9-1.conf", "version 10\nsort-key bootc-os-0\nlinux /c\n"),
      named("zz.conf", "version 3\nlinux /d\n"),
    ];
    expect(inBootOrder(entries, "systemd-boot").map(({ file }) => file)).toEqual([
      "bootc_os-9-1.conf",
      "bootc_os-2-1.conf",
      "bootc_os-1-0.conf",
      "zz.conf",
    ]);
    expect(inBootOrder(entries, "grub").map(({ file }) => file)).toEqual([
      "zz.conf",
      "bootc_os-9-1.conf",
      "bootc_os-2-1.conf",
      "bootc_os-1-0.conf",
    ]);
  });

  test("boot counters in file names", () => {
    expect(bootCounter("ostree-2+3.conf")).toEqual({ base: "ostree-2.conf", left: 3, done: 0 });
    expect(bootCounter("ostree-2+3-1.conf")).toEqual({ base: "ostree-2.conf", left: 3, done: 1 });
    expect(bootCounter("ostree-2.conf")).toBeUndefined();
  });
});

describe("kernel command lines", () => {
  test.each([
    ['foo="quoted value"', '"foo=quoted value"', true],
    ['"foo="bar', "foo=bar", true],
    ["foo-bar=1", "foo_bar=1", true],
    ["foo", "foo=", false],
    ["a b", "b a", true],
    ["a a b", "a b", false],
  ])("%j and %j", (a, b, equal) => {
    expect(KernelCmdline.parse(a).equals(KernelCmdline.parse(b))).toBe(equal);
  });

  test.each([
    ['foo="unclosed quotes', "foo", "unclosed quotes"],
    ['foo=trailing_quotes"', "foo", "trailing_quotes"],
    ['"foo"=bar', 'foo"', "bar"],
    ['foo="internal"quotes"are"ok"', "foo", 'internal"quotes"are"ok'],
    ["  foo=1\tfoo=2\n", "foo", "1"],
  ])("%j: %s is %j", (text, key, value) => {
    expect(KernelCmdline.parse(text).valueOf(key)).toBe(value);
  });

  test("arguments are added, modified and removed", () => {
    const line = KernelCmdline.parse("root=a quiet x=1 x=2 quiet");
    expect(line.add("quiet")).toBe(false);
    expect(line.add("rw")).toBe(true);
    expect(line.addOrModify("x=3")).toBe("modified");
    expect(line.addOrModify("x=3")).toBe("existed");
    expect(line.addOrModify("y=1")).toBe("added");
    expect(line.remove("quiet")).toBe(2);
    expect(line.removeExact("y=2")).toBe(0);
    expect(line.removeExact("y=1")).toBe(1);
    expect(line.print()).toBe("root=a x=3 rw");
    expect(() => line.add("two words")).toThrow(refusedWith("boot/karg-invalid"));
  });

  test("parsing a printed line gives the same arguments", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const line = KernelCmdline.parse(text);
        // An unterminated quote swallows what would follow it, so only the last argument can have one.
        expect(KernelCmdline.parse(line.print()).kargs).toEqual(line.kargs);
      }),
    );
  });

  test("composefs and ostree arguments", () => {
    const id = "ab".repeat(64);
    const line = KernelCmdline.parse(
      `composefs=?${id} composefs.digest=v1-sha512-12:${id} composefs.digest=?v2-sha256-12:cd composefs.digest=odd`,
    );
    expect(composefsKarg(line)).toEqual({ digest: id, allowMissingVerity: true });
    expect(printComposefsKarg({ digest: id, allowMissingVerity: true })).toBe(`composefs=?${id}`);
    expect(composefsKarg(KernelCmdline.parse("composefs rw"))).toBeUndefined();
    expect(composefsDigestKargs(line)).toEqual([
      { algorithm: "v1-sha512-12", digest: id, allowMissingVerity: false },
      { algorithm: "v2-sha256-12", digest: "cd", allowMissingVerity: true },
    ]);
    const value = `/ostree/boot.1/os/${"a".repeat(64)}/0`;
    const parsed = parseOstreeKarg(value);
    expect(parsed).toEqual({ bootVersion: 1, stateroot: "os", bootChecksum: "a".repeat(64), bootSerial: 0 });
    expect(parsed === undefined ? "" : printOstreeKarg(parsed)).toBe(value);
    expect(parseOstreeKarg("/ostree/boot.2/os/x/0")).toBeUndefined();
  });
});

describe("GRUB menus", () => {
  const MENU = `if [ -f \${config_directory}/efiuuid.cfg ]; then
        source \${config_directory}/efiuuid.cfg
fi

menuentry "Fedora Bootc: (abc)" {
insmod fat
insmod chain
search --no-floppy --set=root --fs-uuid "\${EFI_PART_UUID}"
chainloader /EFI/Linux/bootc/bootc_composefs-abc.efi
}
menuentry "Other \\"quoted\\"" {
if [ x ]; then { echo a; }
fi
}
`;

  test("are printed as they were read, and name their UKIs", () => {
    const menu = parseGrubMenu(MENU);
    expect(menu.entries.map((entry) => entry.title)).toEqual(["Fedora Bootc: (abc)", 'Other \\"quoted\\"']);
    expect(menu.entries.map(chainloaderOf)).toEqual(["/EFI/Linux/bootc/bootc_composefs-abc.efi", undefined]);
    expect(printGrubMenu(menu)).toBe(MENU);
    expect(parseGrubMenu("set x=1\n")).toEqual({ preamble: "set x=1\n", entries: [] });
  });

  test.each([
    'menuentry "" {\n}\n',
    "menuentry x {\n}\n",
    'menuentry "x" {\n',
    'menuentry "x"\n',
    'menuentry "x" --class y {\n}\n',
  ])("%j is refused with its line", (text) => {
    expect(() => parseGrubMenu(`# first\n${text}`)).toThrow(refusedWith("boot/menu-syntax"));
    expect(() => parseGrubMenu(`# first\n${text}`)).toThrow("line 2");
  });

  test("a title or command cannot break out of its entry", () => {
    const print = (title: string, argument: string): string =>
      printGrubMenu({ preamble: "", entries: [{ title, commands: [{ name: "echo", argument }] }] });
    for (const [title, argument] of [
      ['a" {}', "x"],
      ["a\\", "x"],
      ["a", "}"],
      ["a", "{"],
      ["a", "x\n}"],
      ["", "x"],
    ] as const) {
      expect(() => print(title, argument)).toThrow(refusedWith("boot/menu-value-invalid"));
    }
    expect(parseGrubMenu(print("a", "{ b }")).entries[0]?.commands).toEqual([
      { name: "echo", argument: "{ b }" },
    ]);
  });

  test("any text is refused with a code or read", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(fc.constantFrom("menuentry ", '"t"', " {", "}", "\n", "\\", "insmod a\n"), fc.string()),
        ),
        (parts) => {
          try {
            const menu = parseGrubMenu(parts.join(""));
            const printed = printGrubMenu({ ...menu, preamble: "" });
            expect(parseGrubMenu(printed).entries).toEqual(menu.entries);
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/^boot\/menu-/);
          }
        },
      ),
    );
  });
});

describe("texts that ostree writes for other boot loaders", () => {
  test("are read back", () => {
    const config = (title: string, linux: string, more = "") =>
      parseOstreeBootConfig(`title ${title}\nlinux ${linux}\n${more}`);
    const entries = [
      config("OS 2 (ostree:0)", "/ostree/a/vmlinuz", "initrd /ostree/a/initramfs\noptions rw ostree=/x\n"),
      config("OS 1 (ostree:1)", "/ostree/b/vmlinuz"),
    ];
    const syslinux = printSyslinuxConfig("LABEL memtest\n\tKERNEL /memtest\n", entries, {
      bootPrefix: false,
    });
    expect(printSyslinuxConfig(syslinux, entries, { bootPrefix: false })).toBe(syslinux);
    expect(parseSyslinux(syslinux)).toMatchObject({
      default: "OS 2 (ostree:0)",
      labels: [{ title: "memtest" }, { options: "rw ostree=/x" }, { linux: "/boot/ostree/b/vmlinuz" }],
    });
    expect(Object.fromEntries(parseUEnv(printUbootEnvironment(entries, "extra=1")))).toEqual({
      kernel_image: "/boot/ostree/a/vmlinuz",
      ramdisk_image: "/boot/ostree/a/initramfs",
      bootargs: "rw ostree=/x",
      kernel_image2: "/boot/ostree/b/vmlinuz",
      extra: "1",
    });
  });

  test("of bootc for GRUB are byte for byte its own", () => {
    const entries = ["v2", "v1"].map((id) => bootcUkiMenuEntry("Lab OS", id));
    const text = printGrubMenu({ preamble: BOOTC_USER_CONFIG_HEADER, entries });
    expect(text).toBe(`
if [ -f \${config_directory}/efiuuid.cfg ]; then
        source \${config_directory}/efiuuid.cfg
fi
menuentry "Lab OS: (v2)" {
insmod fat
insmod chain
search --no-floppy --set=root --fs-uuid "\${EFI_PART_UUID}"
chainloader /EFI/Linux/bootc/bootc_composefs-v2.efi
}
menuentry "Lab OS: (v1)" {
insmod fat
insmod chain
search --no-floppy --set=root --fs-uuid "\${EFI_PART_UUID}"
chainloader /EFI/Linux/bootc/bootc_composefs-v1.efi
}
`);
    expect(printEfiUuidConfig("7E57-B007")).toBe('set EFI_PART_UUID="7E57-B007"');
    expect(() => printEfiUuidConfig('"; reboot')).toThrow(refusedWith("boot/menu-value-invalid"));
  });
});

describe("UKIs", () => {
  /** A PE image with these sections, each padded to 512 bytes. */
  function uki(sections: Readonly<Record<string, Uint8Array>>): Uint8Array {
    const names = Object.keys(sections);
    const table = 64 + 24 + 240;
    const start = Math.ceil((table + names.length * 40) / 512) * 512;
    const size =
      start + Object.values(sections).reduce((sum, each) => sum + Math.ceil(each.length / 512) * 512, 0);
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    bytes.set([0x4d, 0x5a]);
    view.setUint32(0x3c, 64, true);
    view.setUint32(64, 0x4550, true);
    view.setUint16(68, 0x8664, true);
    view.setUint16(70, names.length, true);
    view.setUint16(84, 240, true);
    let offset = start;
    for (const [index, [name, content]] of Object.entries(sections).entries()) {
      const at = table + index * 40;
      bytes.set(new TextEncoder().encode(name), at);
      view.setUint32(at + 8, content.length, true);
      view.setUint32(at + 16, Math.ceil(content.length / 512) * 512, true);
      view.setUint32(at + 20, offset, true);
      bytes.set(content, offset);
      offset += Math.ceil(content.length / 512) * 512;
    }
    return bytes;
  }

  const fileOf = (bytes: Uint8Array) => ({
    size: bytes.length,
    read: (offset: number, size: number) => bytes.subarray(offset, offset + size),
  });
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const image = uki({
    ".osrel": text("ID=x\n"),
    ".cmdline": text("rw composefs=ab\0\0"),
    ".linux": new Uint8Array(1000).fill(7),
  });

  test("sections are found with the bytes that count", () => {
    expect(readPeSections(fileOf(image)).map(({ name, size }) => [name, size])).toEqual([
      [".osrel", 5],
      [".cmdline", 17],
      [".linux", 1000],
    ]);
    expect(readUkiText(fileOf(image), ".cmdline")).toBe("rw composefs=ab");
    expect(readUkiSection(fileOf(image), ".linux")).toEqual(new Uint8Array(1000).fill(7));
    expect(readUkiSection(fileOf(image), ".initrd")).toBeUndefined();
    expect(() => readUkiSection(fileOf(image), ".linux", 10)).toThrow(refusedWith("boot/limit-exceeded"));
  });

  test("any change of it is refused with a code or harmless", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(image.length),
        (edits, cut) => {
          const damaged = image.slice(0, cut % 3 === 0 ? cut : image.length);
          for (const [at, value] of edits) if (at < damaged.length) damaged[at] = value;
          try {
            readUkiText(fileOf(damaged), ".cmdline");
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/^boot\//);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
