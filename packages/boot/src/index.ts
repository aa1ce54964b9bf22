export { BlsEntry, type BlsKind } from "./bls/entry.ts";
export {
  type BlsFileName,
  type OstreeEntryName,
  parseBlsFileName,
  parseOstreeEntryName,
  printBlsFileName,
  printBootcEntryName,
  printBootcSortKey,
  printOstreeEntryName,
} from "./bls/file-name.ts";
export {
  bootCounter,
  compareAsBootc,
  compareAsOstree,
  type EntryReader,
  inBootOrder,
  type NamedEntry,
} from "./bls/order.ts";
export { type OstreeBootConfig, parseOstreeBootConfig, printOstreeBootConfig } from "./bls/ostree-entry.ts";
export { compareStrverscmp } from "./bls/strverscmp.ts";
export { compareVersions } from "./bls/version.ts";
export {
  type Karg,
  KernelCmdline,
  parseKarg,
  parseKernelCmdline,
  printKernelCmdline,
  sameKarg,
  sameKey,
} from "./cmdline/cmdline.ts";
export {
  composefsDigestKargs,
  type ComposefsKarg,
  composefsKarg,
  printComposefsKarg,
} from "./cmdline/composefs.ts";
export { type OstreeKarg, parseOstreeKarg, printOstreeKarg } from "./cmdline/ostree.ts";
export { OstreeKargs } from "./cmdline/ostree-kargs.ts";
export { bootErrors } from "./errors.ts";
export {
  BOOTC_USER_CONFIG_HEADER,
  bootcUkiMenuEntry,
  chainloaderOf,
  type GrubCommand,
  type GrubMenu,
  type GrubMenuEntry,
  parseGrubMenu,
  printEfiUuidConfig,
  printGrubMenu,
} from "./grub/menu.ts";
export {
  type OstreeGrubOptions,
  printOstreeGrubMenu,
  printSyslinuxConfig,
  printUbootEnvironment,
  type SyslinuxOptions,
} from "./ostree/bootloader.ts";
export { type LoaderEntry, parseSyslinux, parseUEnv } from "./ostree/syslinux.ts";
export { parseOsRelease } from "./uki/os-release.ts";
export { type ByteSource, type PeSection, readPeSections, readUkiSection, readUkiText } from "./uki/pe.ts";
