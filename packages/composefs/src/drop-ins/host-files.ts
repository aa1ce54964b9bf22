// Files that a command line names, opened as open(2) would from the working directory.

import type { CommandContext } from "@bootc-store/backend/command";
import { utf8 } from "@bootc-store/core";
import type { File, OpenFileOptions } from "@bootc-store/linux";

/** Opens a file of any kind, links followed. Throws the errors of the file system. */
export function openHostFile(context: CommandContext, path: string, options: OpenFileOptions = {}): File {
  const root = context.openDir("/");
  // A component `..` is the kernel's business: what is before it may be a link.
  const full = path === "" || path.startsWith("/") ? path : `${context.cwd}/${path}`;
  return root.openFile(utf8(full), { type: "any", ...options, resolution: "inRoot" });
}

/** All of a file: of a device or pipe until it ends. */
export function readHostFile(context: CommandContext, path: string): Buffer {
  using file = openHostFile(context, path);
  return file.readAll({ limit: READ_LIMIT });
}

/** Images and dump files of systems have some dozen MB. */
const READ_LIMIT = 1 << 30;
