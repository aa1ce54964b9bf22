import type { ByteString } from "@bootc-store/core";
import { tryMkdirAt, tryRmdirAt, tryUnlinkAt } from "./calls/directory.ts";
import { fileTypeOf, tryModeAt } from "./calls/stat.ts";
import { EEXIST, EISDIR, ENOTDIR, EPERM } from "./errno.ts";
import { failure, failureAs, subjectOf } from "./failure.ts";
import { inParent, type ResolveOptions } from "./resolve.ts";

export interface EnsureDirOptions extends ResolveOptions {
  /** Of directories that are made; subject to the umask. Default 0o755. */
  readonly mode?: number;
  /** Makes those on the way too. */
  readonly parents?: boolean;
}

/** Makes a directory where it is missing. What is there must be a directory, and no link to one. */
export function ensureDirAt(
  dir: number,
  path: ByteString,
  label: string,
  options: EnsureDirOptions,
): "created" | "existed" {
  const slash = path.lastIndexOf("/");
  if (options.parents === true && slash > 0)
    ensureDirAt(dir, path.slice(0, slash) as ByteString, label, options);
  const subject = subjectOf(label, path);
  return inParent(dir, path, label, options, (parent, name) => {
    // Most are there, and to look is cheaper than to be refused.
    let mode = tryModeAt(parent, name);
    if (mode < 0) {
      const result = tryMkdirAt(parent, name, options.mode ?? 0o755);
      if (result === 0) return "created";
      if (result !== -EEXIST) throw failure("mkdirat", -result, subject);
      mode = tryModeAt(parent, name);
      if (mode < 0) throw failure("statx", -mode, subject);
    }
    const type = fileTypeOf(mode);
    if (type === "symlink") {
      throw failureAs("path-symlink", "mkdirat", EEXIST, subject, "a symbolic link is there");
    }
    if (type !== "directory") throw failure("mkdirat", ENOTDIR, subject);
    return "existed";
  });
}

/** Removes a file of any kind or an empty directory. Returns 0 or the negated errno. */
export function tryRemoveAt(parent: number, name: ByteString): number {
  const unlinked = tryUnlinkAt(parent, name);
  if (unlinked !== -EISDIR && unlinked !== -EPERM) return unlinked;
  const removed = tryRmdirAt(parent, name);
  return removed === -ENOTDIR ? unlinked : removed;
}
