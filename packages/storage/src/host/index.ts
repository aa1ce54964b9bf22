export { printHostForPeople } from "./human.ts";
export { parseHost } from "./parse.ts";
export { printHostJson, printHostYaml } from "./print.ts";
export {
  type ComposefsEntry,
  type Host,
  type HostBootloader,
  type HostEntry,
  hostOf,
  type HostStatus,
  NO_STATUS,
  type OstreeEntry,
  type UsrOverlay,
} from "./schema.ts";
export { composefsHost, type ComposefsHostOptions } from "./composefs-host.ts";
export { ostreeHost, type OstreeHostOptions } from "./ostree-host.ts";
export { type BootedName, hostOfRoot, type HostOfRootOptions, parseBootedName } from "./host-of-root.ts";
