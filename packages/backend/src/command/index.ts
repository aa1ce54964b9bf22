// Commands are modules that a backend exports and an app puts together. A module makes its own subcommands
// on the parent it is given, so that a backend needs commander for its types only.

export {
  type CommandContext,
  type DropInContext,
  type OpenedImage,
  type OpenImageOptions,
} from "./context.ts";
export { EXIT, exitCodeOf } from "./exit-code.ts";
export { type CommandModule, type DropIn } from "./module.ts";
export { type Column, type Output } from "./output.ts";
