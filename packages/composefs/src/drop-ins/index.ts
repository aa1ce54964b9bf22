// Stand-ins for the programs of composefs. They are apart from the library, so that one that is called loads no more
// than it needs.

export { composefsDump } from "./composefs-dump.ts";
export { composefsInfo } from "./composefs-info.ts";
export { mkcomposefs } from "./mkcomposefs.ts";
export { mountComposefs } from "./mount-composefs.ts";
export { cfsctl } from "./cfsctl/index.ts";
