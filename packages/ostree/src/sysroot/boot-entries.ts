import { type ByteString, displayName, textOf, utf8 } from "@bootc-store/core";
import {
  compareAsOstree,
  KernelCmdline,
  type OstreeBootConfig,
  type OstreeKarg,
  parseOstreeBootConfig,
  parseOstreeKarg,
} from "@bootc-store/boot";
import type { Dir } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";

/** A boot entry that ostree wrote. */
export interface OstreeBootEntry {
  /** Name of its file. */
  readonly file: string;
  readonly config: OstreeBootConfig;
  readonly karg: OstreeKarg;
}

/** Which of the two sets of boot entries counts: 0 or 1. Throws `ostree/sysroot-invalid`. */
export function readBootVersion(sysroot: Dir): 0 | 1 {
  const stat = sysroot.statOptional(utf8("boot/loader"));
  if (stat === undefined) return 0;
  const target = stat.type === "symlink" ? sysroot.readLink(utf8("boot/loader")) : undefined;
  if (target === "loader.0") return 0;
  if (target === "loader.1") return 1;
  // A directory of that name is how systems without ostree's swap of links have their entries.
  if (stat.type === "directory") return 0;
  throw ostreeErrors.error(
    "sysroot-invalid",
    `Invalid target '${displayName(target ?? ("" as ByteString))}' in boot/loader`,
    {
      context: { path: "boot/loader" },
    },
  );
}

/** Which of the two sets of links of a boot version counts. Throws `ostree/sysroot-invalid`. */
export function readSubBootVersion(sysroot: Dir, bootVersion: 0 | 1): 0 | 1 {
  const target = sysroot.readLinkOptional(utf8(`ostree/boot.${bootVersion}`));
  if (target === undefined || target === `boot.${bootVersion}.0`) return 0;
  if (target === `boot.${bootVersion}.1`) return 1;
  throw ostreeErrors.error(
    "sysroot-invalid",
    `Invalid target '${displayName(target)}' in ostree/boot.${bootVersion}`,
    {
      context: { path: `ostree/boot.${bootVersion}` },
    },
  );
}

/** The entries of a boot version in ostree's order: the default first. Throws `ostree/sysroot-invalid`. */
export function readBootEntries(sysroot: Dir, bootVersion: 0 | 1): OstreeBootEntry[] {
  using dir = sysroot.openDirOptional(utf8(`boot/loader.${bootVersion}/entries`));
  if (dir === undefined) return [];
  const entries: OstreeBootEntry[] = [];
  for (const { name, type } of dir.list()) {
    const file = textOf(name);
    if (type !== "regular" || file === undefined || !/^ostree-.*\.conf$/.test(file)) continue;
    const config = parseOstreeBootConfig(dir.readFile(name, { limit: 1 << 20 }).toString("utf8"));
    entries.push({ file, config, karg: kargOf(config, file) });
  }
  const versionOf = ({ config }: OstreeBootEntry): { readonly version: string | undefined } => ({
    version: config.values.get("version"),
  });
  return entries.sort((a, b) => compareAsOstree(versionOf(a), versionOf(b)) || (a.file < b.file ? 1 : -1));
}

function kargOf(config: OstreeBootConfig, file: string): OstreeKarg {
  const value = KernelCmdline.parse(config.values.get("options") ?? "").valueOf("ostree");
  if (value === undefined) {
    throw ostreeErrors.error(
      "sysroot-invalid",
      "No ostree= kernel argument found in boot loader configuration file",
      {
        context: { path: file },
      },
    );
  }
  const karg = parseOstreeKarg(value);
  if (karg !== undefined && karg.subBootVersion === undefined) return karg;
  throw ostreeErrors.error(
    "sysroot-invalid",
    `Invalid ostree= argument '${value.slice(0, 300)}', expected ostree=/ostree/boot.BOOTVERSION/OSNAME/BOOTCSUM/TREESERIAL`,
    { context: { path: file } },
  );
}
