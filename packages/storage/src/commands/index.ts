import type { CommandModule } from "@bootc-store/backend/command";

import { registerDiff } from "./diff.ts";
import { registerDu } from "./du.ts";
import { registerFsck } from "./fsck.ts";
import { registerImages } from "./images.ts";
import { registerMount } from "./mount.ts";
import { registerPull } from "./pull.ts";
import { registerGc, registerRm } from "./remove.ts";
import { registerStatus } from "./status.ts";
import { registerWhy } from "./why.ts";

export { withStores } from "./whole.ts";

/** The facade's own commands. */
export const storageCommands: CommandModule = {
  name: "storage",
  summary: "what a physical root holds, over all of its stores",
  register(parent, context) {
    registerStatus(parent, context);
    registerPull(parent, context);
    registerImages(parent, context);
    registerDu(parent, context);
    registerFsck(parent, context);
    registerDiff(parent, context);
    registerRm(parent, context);
    registerGc(parent, context);
    registerMount(parent, context);
    registerWhy(parent, context);
  },
};
