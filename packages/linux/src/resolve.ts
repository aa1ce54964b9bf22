// How a path is resolved inside an open directory. The kernel does it with openat2(2); where that is missing or
// where it only said "no", the walk of `resolve-walk.ts` does the same step by step, and knows the reason.

import type { ByteString } from "@bootc-store/core";
import {
  closeQuietly,
  haveOpenat2,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  tryOpenat,
  tryOpenat2,
} from "./calls/open.ts";
import { tryModeAt } from "./calls/stat.ts";
import { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_PATH, S_IFLNK, S_IFMT } from "./constants.ts";
import { EAGAIN, ELOOP, ENOTDIR, EXDEV } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failure, subjectOf } from "./failure.ts";
import { checkPath, isSingleName } from "./name.ts";
import { PATH_MAX } from "./native-path.ts";
import { plainly } from "./plain.ts";
import { walkPath } from "./resolve-walk.ts";

/**
 * - `strict` (the default): no component may be a symbolic link.
 * - `beneath`: links are followed, leaving the directory is an error; `..` may be written.
 * - `inRoot`: links are followed as if the directory were `/`: absolute ones start at it, `..` stops at it.
 *
 * Links of /proc that stand for open files ("magic links") are refused in all three.
 */
export type Resolution = "strict" | "beneath" | "inRoot";

export interface ResolveOptions {
  readonly resolution?: Resolution;
  /** False forbids entering another mount (RESOLVE_NO_XDEV). Default true. */
  readonly crossMounts?: boolean;
}

const RESOLVE_FLAGS = {
  strict: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  beneath: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  inRoot: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
} as const;

const PATH_RULES = {
  strict: { dotdot: false, absolute: false },
  beneath: { dotdot: true, absolute: false },
  inRoot: { dotdot: true, absolute: true },
} as const;

/** Renames elsewhere make openat2 say EAGAIN while it checks a `..`, and may come between it and the diagnosis. */
const ATTEMPTS = 64;

/**
 * Opens `path` inside `dir`. Returns the descriptor, or the negated errno of an ordinary failure (ENOENT, EACCES,
 * ENOTDIR ...); a path that is malformed, leaves, or has a forbidden link in it throws its own error.
 */
export function tryResolve(
  dir: number,
  path: ByteString,
  flags: number,
  mode: number,
  label: string,
  options: ResolveOptions | undefined,
): number {
  const resolution = options?.resolution ?? "strict";
  const crossMounts = options?.crossMounts ?? true;
  if (resolution === "strict" && crossMounts && isSingleName(path)) {
    checkPath(path);
    return openSingle(dir, path, flags, mode, label);
  }
  checkPath(path, PATH_RULES[resolution]);
  if (path.length >= PATH_MAX) return resolveLong(dir, path, flags, mode, label, options);
  if (((flags & O_CREAT) === 0 && plainly()) || !haveOpenat2())
    return walkPath(dir, path, flags, mode, label, resolution, crossMounts);
  const resolve = RESOLVE_FLAGS[resolution] | (crossMounts ? 0 : RESOLVE_NO_XDEV);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fd = tryOpenat2(dir, path, flags, mode, resolve);
    if (fd >= 0) return fd;
    if (fd === -EAGAIN) continue;
    if (fd !== -ELOOP && fd !== -EXDEV) return fd;
    // The walk throws the reason. If it arrives, the tree changed in between.
    const arrived = walkPath(
      dir,
      path,
      O_PATH | (flags & (O_NOFOLLOW | O_DIRECTORY)),
      0,
      label,
      resolution,
      crossMounts,
    );
    if (arrived < 0) return arrived;
    closeQuietly(arrived);
  }
  throw linuxErrors.error("path-changing", `${subjectOf(label, path)}: renamed while being resolved`, {
    context: { path: subjectOf(label, path), call: "openat2" },
  });
}

/**
 * One real name needs no openat2: with O_NOFOLLOW there is nowhere to go. ELOOP is then a symbolic link; with O_PATH
 * there is no ELOOP, and the link itself is opened, which only callers that look at links ask for.
 */
function openSingle(dir: number, name: ByteString, flags: number, mode: number, label: string): number {
  const fd = tryOpenat(dir, name, flags | O_NOFOLLOW, mode);
  // With O_DIRECTORY the kernel sees "not a directory" before it sees the link.
  if (fd === -ELOOP || (fd === -ENOTDIR && isSymlink(dir, name))) {
    throw symlinkInTheWay(subjectOf(label, name), "openat");
  }
  return fd;
}

/** Longer than the kernel takes at once: piece by piece, which is the same where no link is followed. */
function resolveLong(
  dir: number,
  path: ByteString,
  flags: number,
  mode: number,
  label: string,
  options: ResolveOptions | undefined,
): number {
  if ((options?.resolution ?? "strict") !== "strict") {
    throw linuxErrors.error("path-too-long", `a path of ${path.length} bytes that may follow links`, {
      context: { path: `${subjectOf(label, path.slice(0, 64) as ByteString)}...` },
    });
  }
  const cut = path.lastIndexOf("/", PATH_MAX - 2);
  const head = path.slice(0, cut) as ByteString;
  const parent = tryResolve(dir, head, O_PATH | O_DIRECTORY, 0, label, options);
  if (parent < 0) return parent;
  try {
    return tryResolve(
      parent,
      path.slice(cut + 1) as ByteString,
      flags,
      mode,
      subjectOf(label, head),
      options,
    );
  } finally {
    closeQuietly(parent);
  }
}

/**
 * Runs `work` on the directory that holds the last component of `path`, and that component. For a single name, which
 * is the usual case, that is `dir` itself. A path that ends in `..` or is the top itself has no such component.
 */
export function inParent<T>(
  dir: number,
  path: ByteString,
  label: string,
  options: ResolveOptions | undefined,
  work: (parent: number, name: ByteString) => T,
): T {
  const resolution = options?.resolution ?? "strict";
  if (isSingleName(path)) {
    checkPath(path);
    return work(dir, path);
  }
  checkPath(path, PATH_RULES[resolution]);
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1) as ByteString;
  checkPath(name);
  if (slash <= 0) return work(dir, name);
  const parent = tryResolve(dir, path.slice(0, slash) as ByteString, O_PATH | O_DIRECTORY, 0, label, options);
  if (parent < 0) throw failure("openat", -parent, subjectOf(label, path));
  try {
    return work(parent, name);
  } finally {
    closeQuietly(parent);
  }
}

function isSymlink(dir: number, name: ByteString): boolean {
  const mode = tryModeAt(dir, name);
  return mode >= 0 && (mode & S_IFMT) === S_IFLNK;
}

function symlinkInTheWay(subject: string, call: string): Error {
  return linuxErrors.error("path-symlink", `${subject}: a symbolic link that may not be followed (${call})`, {
    context: { path: subject, call, errno: ELOOP, errnoName: "ELOOP" },
  });
}
