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
