import type { ByteString } from "@bootc-store/core";
import { typeAndSize } from "./calls/stat.ts";
import { O_APPEND, O_CREAT, O_DIRECTORY, O_NONBLOCK, O_PATH, O_RDONLY, O_TRUNC } from "./constants.ts";
import { EACCES, EISDIR, ENOENT } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failure, subjectOf } from "./failure.ts";
import { type Access, ACCESS_FLAGS, File } from "./file.ts";
import { type ResolveOptions, tryResolve } from "./resolve.ts";

export interface OpenFileOptions extends ResolveOptions {
  /** Default `read`. */
  readonly access?: Access;
  readonly append?: boolean;
  readonly truncate?: boolean;
  /** Make it with these permission bits (subject to the umask) where it is not there. */
  readonly create?: number;
  /**
   * `regular` (the default) refuses anything else, so that a fifo in a file's place does not make a reader wait.
   * Devices and fifos are opened without blocking.
   */
  readonly type?: "regular" | "any";
}

/** Opens a file below a directory; `undefined` where nothing is. */
export function openFileAt(
  dir: number,
  path: ByteString,
  dirLabel: string,
  options: OpenFileOptions,
): File | undefined {
  const flags =
    ACCESS_FLAGS[options.access ?? "read"] |
    O_NONBLOCK |
    (options.append === true ? O_APPEND : 0) |
    (options.truncate === true ? O_TRUNC : 0) |
    (options.create === undefined ? 0 : O_CREAT);
  const fd = tryResolve(dir, path, flags, options.create ?? 0, dirLabel, options);
  if (fd === -ENOENT) return undefined;
  const label = subjectOf(dirLabel, path);
  if (fd < 0) throw failure("openat", -fd, label);
  if (options.type === "any") return File.adopt(fd, label);
  try {
    const { type, size } = typeAndSize(fd, label);
    if (type === "directory") throw failure("openat", EISDIR, label);
    if (type !== "regular") {
      throw linuxErrors.error("not-a-file", `${label}: not a regular file but a ${type}`, {
        context: { path: label, type },
      });
    }
    return File.adopt(fd, label, size);
  } catch (error) {
    File.adopt(fd, label)[Symbol.dispose]();
    throw error;
  }
}

/**
 * Opens a directory for reading if that is allowed, since then it can be listed, locked and synced; else only as a
 * place (O_PATH). `open` opens it with given flags.
 */
export function openDirectory(open: (flags: number) => number): number {
  const fd = open(O_RDONLY | O_DIRECTORY);
  return fd === -EACCES ? open(O_PATH | O_DIRECTORY) : fd;
}
