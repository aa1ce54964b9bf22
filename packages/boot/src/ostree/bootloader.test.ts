import { describe, expect, test } from "vitest";

import {
  parseOstreeBootConfig,
  printOstreeGrubMenu,
  printSyslinuxConfig,
  printUbootEnvironment,
} from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const entry = (text: string) => parseOstreeBootConfig(text);
const TWO = [
  entry(
    "title OS 2 (ostree:0)\nversion 2\noptions root=a ostree=/x\nlinux /ostree/o-1/vmlinuz\ninitrd /ostree/o-1/i.img\ninitrd /more\ndevicetree /ostree/o-1/dtb\n",
  ),
  entry("version 1\nlinux /ostree/o-2/vmlinuz\nfdtdir /ostree/o-2/dtb\n"),
];

describe("syslinux", () => {
  test("keeps other labels, and writes those of ostree anew", () => {
    const before = `DEFAULT OS 1 (ostree:0)
TIMEOUT 2

LABEL mine
\tKERNEL /vmlinuz
\tAPPEND quiet

LABEL OS 1 (ostree:0)
\tKERNEL /boot/ostree/o-0/vmlinuz
\tAPPEND old
LABEL old
\tKERNEL /ostree/o-9/vmlinuz
`;
    expect(printSyslinuxConfig(before, TWO, { bootPrefix: false })).toBe(`TIMEOUT 2

LABEL mine
\tKERNEL /vmlinuz
\tAPPEND quiet
DEFAULT OS 2 (ostree:0)
LABEL OS 2 (ostree:0)
\tKERNEL /boot/ostree/o-1/vmlinuz
\tINITRD /boot/ostree/o-1/i.img
\tDEVICETREE /boot/ostree/o-1/dtb
\tAPPEND root=a ostree=/x
LABEL (Untitled)
\tKERNEL /boot/ostree/o-2/vmlinuz
`);
  });

  test("leaves out a default that is not ostree's, as ostree itself does, and the prefix where paths have it", () => {
    const text = printSyslinuxConfig("DEFAULT mine\n", TWO.slice(1), { bootPrefix: true });
    expect(text).toBe("LABEL (Untitled)\n\tKERNEL /ostree/o-2/vmlinuz\n");
  });

  test("refuses a label without a kernel, and an entry without one", () => {
    expect(() => printSyslinuxConfig("LABEL x\n\tAPPEND y\n", [], { bootPrefix: true })).toThrow(
      code("boot/syslinux-syntax"),
    );
    expect(() => printSyslinuxConfig("", [entry("title x\n")], { bootPrefix: true })).toThrow(
      code("boot/entry-invalid"),
    );
  });
});

test("U-Boot's environment has suffixes from the second entry on", () => {
  expect(printUbootEnvironment(TWO, "extra=1")).toBe(`kernel_image=/boot/ostree/o-1/vmlinuz
ramdisk_image=/boot/ostree/o-1/i.img
fdt_file=/boot/ostree/o-1/dtb
bootargs=root=a ostree=/x
extra=1
kernel_image2=/boot/ostree/o-2/vmlinuz
fdtdir2=/boot/ostree/o-2/dtb
`);
});

test("the menu for grub2-mkconfig", () => {
  const options = {
    bootDeviceId: "dev-1",
    prepareRootCache: "set root='hd0'",
    commandSuffix: "efi",
  } as const;
  const quoted = [entry("title it's\nlinux /k\n"), ...TWO.slice(0, 1)];
  expect(printOstreeGrubMenu(quoted, options))
    .toBe(`menuentry 'it'\\''s' --class gnu-linux --class gnu --class os --unrestricted 'ostree-0-dev-1' {
load_video
set gfxpayload=keep
insmod gzio
set root='hd0'
linuxefi /k
}
menuentry 'OS 2 (ostree:0)' --class gnu-linux --class gnu --class os --unrestricted 'ostree-1-dev-1' {
load_video
set gfxpayload=keep
insmod gzio
set root='hd0'
linuxefi /ostree/o-1/vmlinuz root=a ostree=/x
initrdefi /ostree/o-1/i.img
devicetree /ostree/o-1/dtb
}
`);
});
