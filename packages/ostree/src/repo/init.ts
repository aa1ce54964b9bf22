import { type ByteString, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { printMode, type RepoMode } from "../format/mode.ts";
import { checkCollectionId } from "./ref-name.ts";

export interface InitOptions {
  readonly mode: RepoMode;
  readonly collectionId?: string;
}

/** Where an interrupted init leaves something that is no repository yet: `objects` comes last. */
const DIRECTORIES = [
  "tmp",
  "extensions",
  "state",
  "refs",
  "refs/heads",
  "refs/mirrors",
  "refs/remotes",
  "objects",
];

/**
 * Makes a repository of an empty directory. Where there is one already, nothing is changed and the answer is `existed`.
 * Throws `ostree/mode-unsupported` for bare-user where there are no user attributes.
 */
export function initRepo(dir: Dir, options: InitOptions): "created" | "existed" {
  if (dir.statOptional("objects" as ByteString)?.type === "directory") return "existed";
  const { mode, collectionId } = options;
  if (collectionId !== undefined) checkCollectionId(collectionId);
  if (mode === "bare-user") checkUserXattrs(dir);
  let config = `[core]\nrepo_version=1\nmode=${printMode(mode)}\n`;
  if (collectionId !== undefined) config += `collection-id=${collectionId}\n`;
  dir.atomicWrite("config" as ByteString, Buffer.from(config), { mode: 0o644 });
  for (const path of DIRECTORIES) dir.ensureDir(path as ByteString, { mode: 0o775 });
  return "created";
}

function checkUserXattrs(dir: Dir): void {
  using temporary = dir.tempFile();
  try {
    temporary.file.setXattr(utf8("user.ostreemeta"), Buffer.from("x"));
  } catch (error) {
    throw ostreeErrors.error("mode-unsupported", "Unable to write xattrs, which mode bare-user needs", {
      cause: error,
    });
  }
}
