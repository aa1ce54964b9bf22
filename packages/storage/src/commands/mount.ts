import type { CommandContext } from "@bootc-store/backend/command";
import { utf8 } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { storageErrors } from "../errors.ts";
import { withStores } from "./whole.ts";

/** `mount` and `umount`: an image of composefs, read-only. */
export function registerMount(parent: Command, context: CommandContext): void {
  parent
    .command("mount")
    .description("mount an image from composefs, read-only")
    .argument("<image>", "a name, a manifest's digest, or the id of an EROFS image")
    .argument("<dir>", "where")
    .action(async (image, dir) => {
      await withStores(parent, context, async ({ composefs }) => {
        if (composefs === undefined) {
          throw storageErrors.error("image-missing", "this root has no composefs repository to mount from", {
            context: { ref: image },
          });
        }
        const [{ mountStoredImage }, { erofsIdOf }, { attachMount }] = await Promise.all([
          import("@bootc-store/composefs"),
          import("../whole/find-tree.ts"),
          import("@bootc-store/linux"),
        ]);
        const id = await erofsIdOf(composefs, image, { signal: context.signal });
        using mount = mountStoredImage(composefs.repository, id, {
          devices: context.openDir("/dev"),
          scratch: context.openDir("/tmp"),
        });
        attachMount(mount, context.openDir(dir));
      });
    });
  parent
    .command("umount")
    .description("take a mount away")
    .argument("<dir>", "where it is")
    .option("-l, --lazy", "also where it is in use: it goes when it is not any more")
    .action(async (dir, options) => {
      const { unmount } = await import("@bootc-store/linux");
      const path = dir.replace(/\/+$/, "") || "/";
      const slash = path.lastIndexOf("/");
      const above = context.openDir(slash < 0 ? "." : path.slice(0, slash) || "/");
      unmount(above, utf8(path.slice(slash + 1)), { detach: options.lazy === true });
    });
}
