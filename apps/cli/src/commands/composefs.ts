import type { CommandModule } from "@bootc-store/backend/command";
import { registerComposefs } from "@bootc-store/composefs/commands";

import { IN_GROUPS } from "../drop-ins.ts";
import { tellOfDropIn } from "./stand-ins.ts";

/** The commands of composefs. Those of its own programs are run by their names, so here they are only told of. */
export const composefsCommands: CommandModule = {
  name: "composefs",
  summary: "composefs images",
  register(parent, context) {
    const group = parent.command("composefs").description("make composefs images and see what is in them");
    registerComposefs(group, context);
    for (const name of IN_GROUPS.get("composefs") ?? []) tellOfDropIn(group, name);
  },
};
