import type { CommandContext } from "@bootc-store/backend/command";
import type { Command } from "@commander-js/extra-typings";

import { rootPath } from "./root.ts";
import type { ExistingStores } from "../whole/existing-stores.ts";
import type { Dir } from "@bootc-store/linux";

/** Opens the stores that are in the root, for as long as the work takes. */
export async function withStores<T>(
  parent: Command,
  context: CommandContext,
  work: (stores: ExistingStores, root: Dir, path: string) => Promise<T>,
  /** The run root of containers-storage, where something is to be changed. */
  writeWith?: string,
): Promise<T> {
  const { ExistingStores: Stores } = await import("../whole/existing-stores.ts");
  const path = rootPath(parent, context);
  const root = context.openDir(path);
  await using stores = await Stores.open(root, {
    pool: context.pool(),
    ...(writeWith === undefined ? {} : { access: "write", runRoot: context.ensureDir(writeWith) }),
  });
  return await work(stores, root, path);
}
