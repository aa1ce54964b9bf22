import type { CommandModule } from "@bootc-store/backend/command";

import { IN_GROUPS } from "../drop-ins.ts";

/** The commands of composefs. Those of its own programs are run by their names, so here they are only told of. */
export const composefsCommands: CommandModule = {
  name: "composefs",
  summary: "composefs images",
  register(parent) {
    const group = parent.command("composefs").description("make composefs images and see what is in them");
    for (const name of IN_GROUPS.get("composefs") ?? []) {
      group
        .command(name)
        .description(`as the program ${name}`)
        .argument("[args...]", `arguments of ${name}`)
        .helpOption(false);
    }
  },
};
