import type { ByteString } from "@bootc-store/core";
import type { SyncPolicy } from "./durability.ts";
import type { File } from "./file.ts";
import { TempFile } from "./temp-file.ts";

export interface AtomicWriteOptions {
  /** Permission bits, exactly (the umask does not apply). Default 0o644. */
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly xattrs?: Iterable<readonly [name: ByteString, value: Uint8Array]>;
  /** What if the name is taken. Default `replace`. */
  readonly existing?: "replace" | "fail";
  /** Default `data-and-directories`. */
  readonly sync?: SyncPolicy;
}

/**
 * Puts content under a name so that others see the old file or the whole new one, after a crash too:
 *
 * 1. an unnamed file gets the content, owner, attributes and mode, in this order, since a change of owner clears
 *    set-id bits and capabilities;
 * 2. the file is synced (policy `data` and up);
 * 3. it gets the name, by link where the name is free, else by link under a temporary name and rename;
 * 4. the directory is synced (policy `data-and-directories`).
 *
 * Of a file that is replaced nothing is kept: not its owner, mode, attributes, times or other hard links.
 * @param content bytes, or a function that writes into the file.
 */
export function atomicWriteAt(
  dirFd: number,
  dirLabel: string,
  name: ByteString,
  content: Uint8Array | ((file: File) => void),
  options: AtomicWriteOptions = {},
): void {
  using temporary = TempFile.create(dirFd, dirLabel, { mode: 0o600 });
  const { file } = temporary;
  if (typeof content === "function") content(file);
  else file.write(content);
  if (options.owner !== undefined) file.setOwner(options.owner.uid, options.owner.gid);
  for (const [key, value] of options.xattrs ?? []) file.setXattr(key, value);
  file.setMode(options.mode ?? 0o644);
  temporary.publish(name, {
    existing: options.existing ?? "replace",
    sync: options.sync ?? "data-and-directories",
  });
}
