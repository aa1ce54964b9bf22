// Path resolution in user space, one component at a time, each opened with O_NOFOLLOW relative to a descriptor that
// we hold. It takes the place of openat2(2) where that is missing, and tells why openat2 refused where it is not.
// Renames cannot make it leave: `..` goes back to a descriptor that was passed on the way in, never to the kernel.

import { displayName, type ByteString } from "@bootc-store/core";
import { closeQuietly, duplicateFd, tryOpenat } from "./calls/open.ts";
import { tryReadlinkAt } from "./calls/link.ts";
import { statFd, statFileSystem, typeAndSize } from "./calls/stat.ts";
import { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_PATH, PROC_SUPER_MAGIC } from "./constants.ts";
import { ELOOP, ENOENT, ENOTDIR, EXDEV } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failureAs, subjectOf } from "./failure.ts";
import type { Resolution } from "./resolve.ts";

/** As many links as the kernel follows (MAXSYMLINKS). */
const MAX_LINKS = 40;

type Refusal = "path-symlink" | "path-magic-link" | "path-loop" | "path-escapes" | "path-crosses-mount";

/** Same result as `tryResolve`: a descriptor, a negated errno, or the thrown reason. */
export function walkPath(
  dir: number,
  path: ByteString,
  flags: number,
  mode: number,
  label: string,
  resolution: Resolution,
  crossMounts: boolean,
): number {
  const subject = subjectOf(label, path);
  const refuse = (key: Refusal, component: string, words: string): Error =>
    failureAs(
      key,
      "openat2",
      key === "path-escapes" || key === "path-crosses-mount" ? EXDEV : ELOOP,
      subject,
      words,
      {
        component: displayName(component as ByteString),
      },
    );
  const startMount = crossMounts ? undefined : mountOf(dir);
  const open: number[] = [];
  let links = 0;
  /** What is still to come, last first. `/` stands for "start at the top". */
  const todo = componentsOf(path);
  try {
    for (;;) {
      const at = open.at(-1) ?? dir;
      const component = todo.pop();
      if (component === undefined) return reopen(at, flags, subject);
      if (component === "." || component === "") continue;
      if (component === "/") {
        if (resolution !== "inRoot")
          throw refuse("path-escapes", component, "a link to an absolute path leads out");
        closeAll(open);
        continue;
      }
      if (component === "..") {
        const left = open.pop();
        if (left !== undefined) closeQuietly(left);
        else if (resolution !== "inRoot") throw refuse("path-escapes", component, "`..` leads out");
        continue;
      }
      const last = todo.length === 0;
      const found = tryOpenat(at, component, O_PATH | O_NOFOLLOW);
      if (found < 0) {
        // A new file is made only as the last component, and only in a directory that we hold.
        return found === -ENOENT && last && (flags & O_CREAT) !== 0
          ? tryOpenat(at, component, flags | O_NOFOLLOW, mode)
          : found;
      }
      const { type } = typeAndSize(found, subject);
      if (startMount !== undefined && statFd(found, subject).mountId !== startMount) {
        closeQuietly(found);
        throw refuse("path-crosses-mount", component, "leads into another mount");
      }
      if (type === "symlink" && !(last && (flags & O_NOFOLLOW) !== 0 && (flags & O_PATH) !== 0)) {
        let text: ByteString | number;
        let magic: boolean;
        try {
          text = tryReadlinkAt(found, "");
          magic = statFileSystem(found, subject).magic === PROC_SUPER_MAGIC && isMagic(text);
        } finally {
          closeQuietly(found);
        }
        if (typeof text === "number") return text;
        if (magic) throw refuse("path-magic-link", component, "a link of /proc that stands for an open file");
        if (resolution === "strict") {
          throw refuse("path-symlink", component, "a symbolic link that may not be followed");
        }
        if (++links > MAX_LINKS) throw refuse("path-loop", component, "too many symbolic links");
        if (text === "") return -ENOENT;
        todo.push(...componentsOf(text));
        continue;
      }
      if (last) {
        closeQuietly(found);
        const fd = tryOpenat(at, component, flags | O_NOFOLLOW, mode);
        // It was no link a moment ago: somebody changed it, and it may not be followed either way.
        if (fd === -ELOOP) throw refuse("path-symlink", component, "became a symbolic link");
        return fd;
      }
      if (type !== "directory") {
        closeQuietly(found);
        return -ENOTDIR;
      }
      open.push(found);
    }
  } finally {
    closeAll(open);
  }
}

/** Components in reverse, with a leading `/` as a component of its own. */
function componentsOf(path: ByteString): string[] {
  const parts: string[] = path.split("/");
  if (path.startsWith("/")) parts[0] = "/";
  return parts.reverse();
}

/** The path ended on a directory that is already held (`a/..`, or the top). */
function reopen(at: number, flags: number, subject: string): number {
  if ((flags & O_PATH) !== 0) return duplicateFd(at, subject);
  return tryOpenat(at, ".", flags | O_DIRECTORY);
}

/**
 * /proc has ordinary links (`self`, `mounts`) and magic ones, which lead where their text does not. Those under
 * `fd/`, and `exe`, `cwd`, `root` and `ns/*` have an absolute path or `type:[number]` as text; the ordinary ones are
 * relative without a colon.
 */
function isMagic(text: ByteString | number): boolean {
  return typeof text === "string" && (text.startsWith("/") || text.includes(":"));
}

function mountOf(fd: number): number | undefined {
  const id = statFd(fd).mountId;
  if (id === undefined) {
    throw linuxErrors.error("call-unsupported", "statx does not tell mounts apart here (kernel before 5.8)", {
      context: { call: "statx" },
    });
  }
  return id;
}

function closeAll(open: number[]): void {
  for (const fd of open.splice(0)) closeQuietly(fd);
}
