import type { ByteString } from "@bootc-store/core";
import { tryOpenat } from "./calls/open.ts";
import { statFd } from "./calls/stat.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "./constants.ts";
import { Dir } from "./dir.ts";
import { linuxErrors } from "./errors.ts";
import { failure, subjectOf } from "./failure.ts";
import { FdStack } from "./fd-stack.ts";
import { type DirEntry, ENTRY_LIMIT, readSorted, shown } from "./list.ts";
import { type CancelSignal, throwIfCancelled } from "./signal.ts";

export interface WalkEntry extends DirEntry {
  /** Relative to where the walk began; components joined by `/`. */
  readonly path: ByteString;
  /** 1 for the entries of the starting directory. */
  readonly depth: number;
  /** The directory that holds the name. Borrowed: good until the walk goes on. */
  readonly dir: Dir;
}

export interface WalkOptions {
  /** Directories before what is in them (the default) or after. */
  readonly order?: "before" | "after";
  /** Called for each directory; false leaves it out, though it is itself still yielded. */
  readonly descend?: (entry: WalkEntry) => boolean;
  /** False stays on the mount of the starting directory; mount points are yielded but not entered. Default true. */
  readonly crossMounts?: boolean;
  /** Deeper than this is `linux/limit-exceeded`. Default 65536. */
  readonly maxDepth?: number;
  /** More entries in all than this is `linux/limit-exceeded`. Default 16 million. */
  readonly maxEntries?: number;
  /**
   * What to do about a directory that cannot be opened or read, for instance because it has just been removed. The
   * walk goes on without it. Left out: the error is thrown.
   */
  readonly onError?: (error: unknown, entry: WalkEntry) => void;
  readonly signal?: CancelSignal;
}

interface Level {
  readonly entries: readonly DirEntry[];
  next: number;
  dir: Dir;
  /** With a slash at its end, or empty. */
  readonly prefix: string;
  /** The entry of this directory in the one around it, to be yielded after its content. */
  readonly own: WalkEntry | undefined;
}

/**
 * Everything below an open directory, in byte order of each directory's names, without following symbolic links.
 * Holds the names of the directories from the top to the present place, and at most some 64 descriptors.
 */
export function* walk(
  start: number,
  label: string,
  options: WalkOptions = {},
): Generator<WalkEntry, void, void> {
  const { order = "before", descend, onError, signal, crossMounts = true } = options;
  const maxDepth = options.maxDepth ?? 65_536;
  const maxEntries = options.maxEntries ?? 16_000_000;
  let total = 0;
  using stack = new FdStack();
  const levels: Level[] = [];
  let mount: number | undefined;

  const enter = (
    at: number,
    name: ByteString | ".",
    inner: string,
    prefix: string,
    own?: WalkEntry,
  ): void => {
    const fd = tryOpenat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) throw failure("openat", -fd, shown(inner));
    stack.push(fd, inner);
    let entered = false;
    try {
      if (!crossMounts) {
        const id = statFd(fd, inner).mountId;
        mount ??= id;
        if (id !== mount) return;
      }
      const entries = readSorted(fd, inner, ENTRY_LIMIT);
      total += entries.length;
      if (total > maxEntries) throw tooMuch(inner, "entries", maxEntries);
      levels.push({ entries, next: 0, dir: Dir.borrow(fd, inner), prefix, own });
      entered = true;
    } finally {
      if (!entered) stack.pop();
    }
  };

  enter(start, ".", label, "");
  for (;;) {
    const level = levels.at(-1);
    if (level === undefined) return;
    const entry = level.entries[level.next++];
    if (entry === undefined) {
      levels.pop();
      stack.pop();
      const around = levels.at(-1);
      if (order === "after" && level.own !== undefined && around !== undefined) {
        yield around.dir.fd === stack.top ? level.own : { ...level.own, dir: borrowTop(stack, around) };
      }
      continue;
    }
    if ((level.next & 0xff) === 0 || entry.type === "directory") throwIfCancelled(signal);
    const found: WalkEntry = {
      name: entry.name,
      type: entry.type,
      path: (level.prefix + entry.name) as ByteString,
      depth: levels.length,
      dir: level.dir.fd === stack.top ? level.dir : borrowTop(stack, level),
    };
    if (entry.type !== "directory") {
      yield found;
      continue;
    }
    if (order === "before") yield found;
    let inside = levels.length;
    if (descend === undefined || descend(found)) {
      if (levels.length >= maxDepth) throw tooMuch(found.dir.label, "levels", maxDepth);
      try {
        enter(stack.top, entry.name, subjectOf(level.dir.label, entry.name), `${found.path}/`, found);
      } catch (error) {
        if (onError === undefined || isLimit(error)) throw error;
        onError(error, found);
      }
    }
    inside = levels.length - inside;
    if (order === "after" && inside === 0) yield found;
  }
}

/** A level whose descriptor was closed on the way down has another one now. */
function borrowTop(stack: FdStack, level: { dir: Dir }): Dir {
  level.dir = Dir.borrow(stack.top, level.dir.label);
  return level.dir;
}

function isLimit(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === "linux/limit-exceeded";
}

function tooMuch(label: string, what: string, limit: number): Error {
  return linuxErrors.error("limit-exceeded", `${shown(label)}: more than ${limit} ${what} in this tree`, {
    context: { path: shown(label), limit },
  });
}
