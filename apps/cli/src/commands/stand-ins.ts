import type { CommandModule } from "@bootc-store/backend/command";
import type { Command } from "@commander-js/extra-typings";

import { AS_COMMANDS } from "../drop-ins.ts";

/** Stand-ins are run by their names, with arguments that are theirs alone; here they are only told of. */
export function tellOfDropIn(parent: Command, name: string): void {
  parent
    .command(name)
    .description(`as the program ${name}`)
    .argument("[args...]", `arguments of ${name}`)
    .helpOption(false)
    .allowUnknownOption()
    // Reached only when options of ours stand before it, which the program would not understand.
    .action(() => parent.error(`error: ${name} takes no options before its name`));
}

export const standInCommands: CommandModule = {
  name: "stand-ins",
  summary: "programs that this one stands in for",
  register(parent) {
    for (const name of AS_COMMANDS) tellOfDropIn(parent, name);
  },
};
