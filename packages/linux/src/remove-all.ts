import type { ByteString } from "@bootc-store/core";
import { entryType, readEntries, tryRmdirAt, tryUnlinkAt } from "./calls/directory.ts";
import { tryOpenat } from "./calls/open.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "./constants.ts";
import { EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } from "./errno.ts";
import { failure, subjectOf } from "./failure.ts";
import { FdStack } from "./fd-stack.ts";

/** Somebody may add entries while a directory is emptied; that often it is emptied again before giving up. */
const RETRIES = 16;

interface Level {
  readonly name: ByteString;
  readonly label: string;
  todo: { name: ByteString; directory: boolean }[];
  retries: number;
}

/**
 * Removes `name` in `parent`, with everything below it, and returns how many names were removed; 0 if it was not
 * there. Directories are opened without following and emptied through their own descriptors, so putting a symbolic
 * link in place of one while this runs removes the link and nothing behind it.
 */
export function removeTree(parent: number, name: ByteString, label: string): number {
  const subject = subjectOf(label, name);
  const result = tryUnlinkAt(parent, name);
  if (result === 0) return 1;
  if (result === -ENOENT) return 0;
  // Linux says EISDIR for a directory; POSIX and some file systems say EPERM, which may also be a real refusal.
  if (result !== -EISDIR && result !== -EPERM) throw failure("unlinkat", -result, subject);

  using stack = new FdStack();
  const levels: Level[] = [];
  let removed = 0;

  const enter = (at: number, child: ByteString, childLabel: string, refused: number): boolean => {
    const fd = tryOpenat(at, child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd === -ENOENT) return false;
    if (fd === -ENOTDIR || fd === -ELOOP) throw failure("unlinkat", refused, childLabel);
    if (fd < 0) throw failure("openat", -fd, childLabel);
    stack.push(fd, childLabel);
    levels.push({ name: child, label: childLabel, todo: entriesOf(fd, childLabel), retries: RETRIES });
    return true;
  };

  if (!enter(parent, name, subject, -result)) return 0;
  for (;;) {
    const level = levels.at(-1) as Level;
    const entry = level.todo.pop();
    if (entry !== undefined) {
      const fd = stack.top;
      let outcome = entry.directory ? -EISDIR : tryUnlinkAt(fd, entry.name);
      if (outcome === -EISDIR || outcome === -EPERM) {
        const entryLabel = subjectOf(level.label, entry.name);
        // An entry that was a directory when it was listed may have been replaced by something else since.
        if (entry.directory && (outcome = tryRmdirAt(fd, entry.name)) === -ENOTDIR) {
          outcome = tryUnlinkAt(fd, entry.name);
        }
        if (outcome !== 0 && outcome !== -ENOENT) {
          enter(fd, entry.name, entryLabel, -outcome);
          continue;
        }
      }
      if (outcome === 0) removed++;
      else if (outcome !== -ENOENT) throw failure("unlinkat", -outcome, subjectOf(level.label, entry.name));
      continue;
    }
    // Empty as far as was listed. Removing it is up to the directory around it.
    const around = levels.length === 1 ? undefined : levels[levels.length - 2];
    if (around === undefined) {
      const outcome = tryRmdirAt(parent, name);
      if (outcome === 0 || outcome === -ENOENT) return removed + (outcome === 0 ? 1 : 0);
      if (!refill(level, outcome, stack.top)) throw failure("unlinkat", -outcome, subject);
      continue;
    }
    stack.pop();
    levels.pop();
    const outcome = tryRmdirAt(stack.top, level.name);
    if (outcome === 0) removed++;
    else if ((outcome === -ENOTEMPTY || outcome === -EEXIST) && level.retries > 0) {
      if (enter(stack.top, level.name, level.label, -outcome)) {
        (levels.at(-1) as Level).retries = level.retries - 1;
      }
    } else if (outcome === -ENOTDIR) around.todo.push({ name: level.name, directory: false });
    else if (outcome !== -ENOENT) throw failure("unlinkat", -outcome, level.label);
  }
}

function refill(level: Level, outcome: number, fd: number): boolean {
  if ((outcome !== -ENOTEMPTY && outcome !== -EEXIST) || level.retries-- <= 0) return false;
  level.todo = entriesOf(fd, level.label);
  return true;
}

/** The entries, however often the descriptor was read before: it is opened again as its own `.`. */
function entriesOf(fd: number, label: string): Level["todo"] {
  const again = tryOpenat(fd, ".", O_RDONLY | O_DIRECTORY);
  if (again < 0) throw failure("openat", -again, label);
  using handle = new FdStack();
  handle.push(again, label);
  const entries: Level["todo"] = [];
  readEntries(again, label, (name, dt) => entries.push({ name, directory: entryType(dt) === "directory" }));
  return entries;
}
