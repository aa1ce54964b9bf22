import { utf8 } from "@bootc-store/core";

import { BIG_DATA_LIMIT } from "../limits.ts";
import { UsageError } from "./arguments.ts";
import type { Call } from "./command.ts";

/** Puts bytes into a file, or to standard output where none is named. */
export async function writeOutput(
  { context }: Call,
  path: string | undefined,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  if (path === undefined) {
    for await (const bytes of chunks) await context.writeOut(bytes);
    return;
  }
  const slash = path.lastIndexOf("/");
  const dir = context.openDir(slash < 0 ? "." : path.slice(0, slash + 1));
  using file = dir.openFile(utf8(path.slice(slash + 1)), {
    access: "write",
    create: 0o644,
    truncate: true,
    resolution: "inRoot",
  });
  for await (const bytes of chunks) file.write(bytes);
}

/** A file's bytes by its path, or those of standard input where none is named. */
export async function readInput({ context }: Call, path: string | undefined): Promise<Buffer> {
  if (path !== undefined) {
    const slash = path.lastIndexOf("/");
    const dir = context.openDir(slash < 0 ? "." : path.slice(0, slash + 1));
    return dir.readFile(utf8(path.slice(slash + 1)), { resolution: "inRoot", limit: BIG_DATA_LIMIT });
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of context.stdin) {
    size += part.length;
    if (size > BIG_DATA_LIMIT) throw new UsageError(`more than ${BIG_DATA_LIMIT} bytes of data`, 1);
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}
