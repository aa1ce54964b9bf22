import type { CommandContext } from "@bootc-store/backend/command";
import { utf8 } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { storageErrors } from "../errors.ts";

/** Which root a command is to look at: what `--root` says, else `/sysroot` of a booted host. */
export function rootPath(parent: Command, context: CommandContext): string {
  const { root } = parent.opts() as { root?: string };
  if (root !== undefined) return root;
  const host = context.openDir("/");
  const stores = ["sysroot/ostree", "sysroot/composefs"];
  if (stores.some((place) => host.statOptional(utf8(place), { resolution: "inRoot" }) !== undefined))
    return "/sysroot";
  throw storageErrors.error(
    "root-unnamed",
    "this host has no /sysroot with stores; say with --root which root to look at",
  );
}
