<<<<<<< HEAD
export { BlsEntry, type BlsKind } from "./bls/entry.ts";
export { bootCounter, type EntryReader, inBootOrder, type NamedEntry } from "./bls/order.ts";
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
export { bootErrors } from "./errors.ts";
export {
  chainloaderOf,
  type GrubCommand,
  type GrubMenu,
  type GrubMenuEntry,
  parseGrubMenu,
  printGrubMenu,
} from "./grub/menu.ts";
export { type LoaderEntry, parseSyslinux, parseUEnv, printUEnv, updateSyslinux } from "./ostree/syslinux.ts";
export { type ByteSource, type PeSection, readPeSections, readUkiSection, readUkiText } from "./uki/pe.ts";
=======
export { BlsEntry, type BlsDialect, BOOTC_KEY_ORDER, OSTREE_KEY_ORDER, printInOrder } from "./bls/entry.ts";
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
export { compareAsBootc, compareAsOstree, compareForMenu, type NamedEntry } from "./bls/order.ts";
export { compareStrverscmp, compareVersions } from "./bls/version.ts";
export { KernelCommandLine, KernelParameter } from "./cmdline/command-line.ts";
export {
  type ComposefsArgument,
  findComposefs,
  type FindComposefsOptions,
  parseComposefsDigestValue,
  parseComposefsValue,
  printComposefsArgument,
} from "./cmdline/composefs.ts";
export {
  type OstreeBootLink,
  OstreeKernelArguments,
  parseOstreeBootLink,
  printOstreeBootLink,
} from "./cmdline/ostree.ts";
export { bootErrors } from "./errors.ts";
export {
  BOOTC_USER_CONFIG_HEADER,
  bootcUkiEntry,
  type GrubCommand,
  GrubMenu,
  GrubMenuEntry,
  parseGrubMenu,
  printBootcUserConfig,
  printEfiUuidConfig,
} from "./grub/menu.ts";
export {
  type OstreeGrubOptions,
  printOstreeGrubMenu,
  printSyslinuxConfig,
  printUbootEnvironment,
  type SyslinuxOptions,
} from "./ostree/bootloader.ts";
export { byteSource, type ByteSource, type PeFile, type PeSection, readPeSections } from "./uki/pe.ts";
export { parseOsRelease, Uki, UKI_SECTIONS, type UkiSectionName } from "./uki/uki.ts";
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
