import type { CommandModule } from "@bootc-store/backend/command";
import { storageCommands } from "@bootc-store/storage/commands";
import { Command } from "@commander-js/extra-typings";
import { CommanderError } from "commander";

import { composefsCommands } from "./commands/composefs.ts";
import { copyCommand } from "./commands/copy.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { dropinsCommand } from "./commands/dropins.ts";
import { standInCommands } from "./commands/stand-ins.ts";
import { exportCommand } from "./commands/export.ts";
import type { AppContext } from "./context.ts";

/** Everything the program can do. Modules are listed, not discovered. */
const MODULES: readonly CommandModule[] = [
  storageCommands,
  composefsCommands,
  standInCommands,
  copyCommand,
  exportCommand,
  doctorCommand,
];

/** Runs a command and returns its exit code. */
export async function runProgram(
  args: readonly string[],
  context: AppContext,
  { version, main }: { readonly version: string; readonly main: string },
): Promise<number> {
  const program = new Command("bootc-store")
    .description(
      "See, check and move what an image-based Linux system keeps in ostree, composefs and containers-storage.",
    )
    .version(version, "-V, --version", "print the version")
    .option("--root <dir>", "the physical root: the top of a mounted disk, or /sysroot of a booted host")
    .helpCommand(true)
    .showHelpAfterError("Try --help for how to use it.")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "bootc-store: ")) });
  for (const module of [...MODULES, dropinsCommand(main)]) module.register(program, context);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    // commander has said what was wrong; asking for help or the version is no mistake.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  return context.exitCode;
}
