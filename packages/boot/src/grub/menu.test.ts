import { describe, expect, test } from "vitest";

import {
  bootcUkiEntry,
  GrubMenuEntry,
  parseGrubMenu,
  printBootcUserConfig,
  printEfiUuidConfig,
} from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

/** Byte for byte what bootc's own functions write for two UKIs. */
const USER_CONFIG = `
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
`;

describe("GRUB menus", () => {
  test("are written as bootc writes them, and read back", () => {
    expect(printBootcUserConfig([bootcUkiEntry("Lab OS", "v2"), bootcUkiEntry("Lab OS", "v1")])).toBe(
      USER_CONFIG,
    );
    const menu = parseGrubMenu(USER_CONFIG);
    expect(menu.entries.map(({ title }) => title)).toEqual(["Lab OS: (v2)", "Lab OS: (v1)"]);
    expect(menu.entries[1]?.argumentOf("chainloader")).toBe("/EFI/Linux/bootc/bootc_composefs-v1.efi");
    expect(menu.print()).toBe(USER_CONFIG);
    expect(printBootcUserConfig(menu.entries)).toBe(USER_CONFIG);
  });

  test("keep what they do not understand", () => {
    const text =
      'set x=1\n\nmenuentry  "a \\"b\\" c"{\n  # comment\n\n  set root=x\n  if [ 1 ]; then { echo \\} } fi\n  boot\n\tlinux /k a b\n}\ntail } {\n';
    const menu = parseGrubMenu(text);
    expect(menu.print()).toBe(text);
    expect(menu.entries).toHaveLength(1);
    expect(menu.entries[0]).toMatchObject({
      title: 'a \\"b\\" c',
      commands: [
        { name: "set", argument: "root=x" },
        { name: "if", argument: "[ 1 ]; then { echo \\} } fi" },
        { name: "linux", argument: "/k a b" },
      ],
    });
    expect(menu.entries[0]?.argumentOf("boot")).toBeUndefined();
  });

  test("without an entry are only text", () => {
    expect(parseGrubMenu("set a=b\n").entries).toEqual([]);
    expect(parseGrubMenu("").print()).toBe("");
  });

  test.each([
    "menuentry",
    "menuentry 'a' {\n}",
    'menuentry "a"',
    'menuentry "a" --class x {\n}',
    'menuentry "a" {\n',
    'menuentry "a" { { }',
    'menuentry "a {\n}',
    'menuentry "" {\n}',
    "# about menuentry\n",
    'menuentry "a" { \\',
  ])("%j cannot be read", (text) => {
    expect(() => parseGrubMenu(text)).toThrow(code("boot/grub-syntax"));
  });

  test("name the line of what cannot be read", () => {
    expect(() => parseGrubMenu('\n\nmenuentry "a" {\n}\nmenuentry x')).toThrow(
      expect.objectContaining({ context: { line: 5 } }),
    );
  });

  test.each<[string, string, string]>([
    ["a\nb", "search", "x"],
    ['a"b', "search", "x"],
    ["a\\", "search", "x"],
    ["", "search", "x"],
    ["a", "chainloader", "/x\n}"],
    ["a", "chainloader", "/x }"],
    ["a", "linux", "{"],
  ])("refuse to write %j %s %j", (title, name, argument) => {
    expect(() => new GrubMenuEntry(title, [{ name, argument }]).printAsBootc()).toThrow(
      code("boot/grub-value-invalid"),
    );
  });

  test("know the EFI partition by a file", () => {
    expect(printEfiUuidConfig("7E57-B007")).toBe('set EFI_PART_UUID="7E57-B007"');
    expect(() => printEfiUuidConfig('"; reboot')).toThrow(code("boot/grub-value-invalid"));
  });
});
