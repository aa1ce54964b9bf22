// When things must be on the device. The only place that decides it.

import { fsync } from "./calls/sync.ts";
import { closeQuietly, openFlags, tryOpenat } from "./calls/open.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY } from "./constants.ts";
import { failure } from "./failure.ts";

/**
 * - `none`: nothing is synced; a crash may lose or empty files that were just written.
 * - `data`: a file is on the device before it gets its name. After a crash a name, if it is there, has its content.
 * - `data-and-directories`: also the directory afterwards. When the call returns, the name survives a crash.
 */
export type SyncPolicy = "none" | "data" | "data-and-directories";

/** Before a file gets its name. fsync and not fdatasync, because owner, mode and attributes must be there too. */
export function syncBeforeName(fd: number, policy: SyncPolicy, subject: string): void {
  if (policy !== "none") fsync(fd, subject);
}

/** After names in a directory changed. */
export function syncAfterName(directory: number, policy: SyncPolicy, subject: string): void {
  if (policy === "data-and-directories") syncDirectory(directory, subject);
}

/** fsync of a directory, also through an O_PATH descriptor. */
export function syncDirectory(fd: number, subject: string): void {
  if ((openFlags(fd, subject) & O_PATH) === 0) return fsync(fd, subject);
  const readable = tryOpenat(fd, ".", O_RDONLY | O_DIRECTORY);
  if (readable < 0) throw failure("openat", -readable, subject);
  try {
    fsync(readable, subject);
  } finally {
    closeQuietly(readable);
  }
}
