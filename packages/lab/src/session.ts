import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CachePaths } from "./cache.ts";
import { LabError } from "./errors.ts";
import { runSync, succeedSync } from "./exec.ts";
import { isRoot, requireProgram } from "./host.ts";
import { mounts, mountsBelow } from "./mounts.ts";
import { orphans, ownedName, ownerAlive } from "./owner.ts";

/*
 * A session is one process that uses the lab. It owns one directory below the scratch root, named for it; everything
 * it mounts or leaves lies there. Sessions that died are cleaned up by whichever opens next.
 *
 * As root the scratch root is a shared mount, made by the first session and unmounted by the last. Both happen under one
 * lock, together with the making and removing of the session's directory, so that no session sees it go.
 */

const OPEN = `set -e
scratch=$1; session=$2
mkdir -p "$scratch"; chmod 0755 "$scratch"
mountpoint -q "$scratch" || { mount --bind "$scratch" "$scratch"; mount --make-shared "$scratch"; }
mkdir "$session"; mkdir "$session/state"`;

const CLOSE = `set -e
scratch=$1; session=$2
rm -rf --one-file-system "$session"
# Busy where another session is about to begin: then that one's end takes it away.
[ -n "$(ls -A "$scratch")" ] || umount "$scratch" 2> /dev/null || true`;

export interface Session {
  /** The session's directory. */
  path: string;
  /** Unmounts all below the session's directory and removes it; waits in place, so that it works at exit. */
  close(): void;
}

export function openSession(cache: CachePaths): Session {
  mkdirSync(cache.root, { recursive: true });
  mkdirSync(cache.locks, { recursive: true });
  const path = join(cache.scratch, ownedName());
  if (!isRoot()) {
    mkdirSync(join(path, "state"), { recursive: true });
    return { path, close: () => rmSync(path, { recursive: true, force: true }) };
  }
  locked(cache, OPEN, path);
  reap(cache);
  return {
    path,
    close() {
      unmountBelowSync(path);
      locked(cache, CLOSE, path);
    },
  };
}

function locked(cache: CachePaths, script: string, session: string): void {
  succeedSync([
    requireProgram("flock", "util-linux"),
    "-x",
    "-w",
    "60",
    join(cache.locks, "scratch"),
    "/bin/sh",
    "-c",
    script,
    "sh",
    cache.scratch,
    session,
  ]);
}

/** Removes what sessions left that died: their processes, their mounts, their directories. Returns the names. */
export function reap(cache: CachePaths): string[] {
  const dead = readdirSync(cache.scratch).filter((name) => ownerAlive(name) === false);
  if (dead.length === 0) return [];
  for (const pid of orphans()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  const reaped: string[] = [];
  for (const name of dead) {
    // Taken over by renaming: of several sessions that see it, one gets it, and if that one dies the next does.
    const taken = join(cache.scratch, ownedName());
    try {
      renameSync(join(cache.scratch, name), taken);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    unmountBelowSync(taken);
    rmSync(taken, { recursive: true, force: true, maxRetries: 5 });
    reaped.push(name);
  }
  return reaped;
}

/** As `unmountBelow`, waiting in place. */
export function unmountBelowSync(root: string): void {
  for (let round = 0; round < 200; round++) {
    const last = mountsBelow(root).at(-1);
    if (!last) return;
    if (runSync(["umount", "--", last.path]).code === 0) continue;
    const lazy = runSync(["umount", "--lazy", "--", last.path]);
    if (lazy.code !== 0 && mounts().some((mount) => mount.id === last.id))
      throw new LabError("lab/file-system", `cannot unmount ${last.path}: ${lazy.errorText.trim()}`, {
        context: { path: last.path },
      });
  }
  throw new LabError("lab/file-system", `mounts keep coming back below ${root}`, { context: { root } });
}
