import { isStoreError, utf8 } from "@bootc-store/core";
import type { File } from "@bootc-store/linux";

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

const STREAM_CHUNK = 1 << 18;

/** The bytes of a file by its path, or of standard input where none is named, as they come. */
export async function* readStream(
  { context }: Call,
  path: string | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  if (path === undefined) {
    yield* context.stdin;
    return;
  }
  const slash = path.lastIndexOf("/");
  let file: File;
  try {
    const dir = context.openDir(slash < 0 ? "." : path.slice(0, slash + 1));
    file = dir.openFile(utf8(path.slice(slash + 1)), { resolution: "inRoot", type: "any" });
  } catch (error) {
    if (!isStoreError(error, "linux/not-found")) throw error;
    throw new UsageError(`open ${path}: no such file or directory`, 1);
  }
  using _file = file;
  for (;;) {
    const bytes = Buffer.allocUnsafe(STREAM_CHUNK);
    const count = file.read(bytes);
    if (count === 0) return;
    yield bytes.subarray(0, count);
  }
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
