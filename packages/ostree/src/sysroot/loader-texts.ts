import { utf8 } from "@bootc-store/core";
import { type GrubMenu, parseGrubMenu, parseSyslinux, parseUEnv } from "@bootc-store/boot";

import type { Sysroot } from "./sysroot.ts";

/** The texts that a sysroot has for boot loaders which cannot read its entries. */
export interface LoaderTexts {
  readonly syslinux?: ReturnType<typeof parseSyslinux>;
  readonly uboot?: ReturnType<typeof parseUEnv>;
  readonly grub?: GrubMenu;
}

/** Those of the boot version that counts. Throws the errors of their formats. */
export function readLoaderTexts({ dir, bootVersion }: Sysroot): LoaderTexts {
  const read = (name: string): string | undefined =>
    dir.readFileOptional(utf8(`boot/loader.${bootVersion}/${name}`), { limit: 1 << 24 })?.toString("utf8");
  const syslinux = read("syslinux.cfg");
  const uboot = read("uEnv.txt");
  const grub = read("grub.cfg");
  return {
    ...(syslinux === undefined ? {} : { syslinux: parseSyslinux(syslinux) }),
    ...(uboot === undefined ? {} : { uboot: parseUEnv(uboot) }),
    ...(grub === undefined ? {} : { grub: parseGrubMenu(grub) }),
  };
}
