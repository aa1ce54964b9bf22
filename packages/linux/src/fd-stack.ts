import { closeQuietly, tryOpenat } from "./calls/open.ts";
import { type FileStat, sameFile, statFd } from "./calls/stat.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "./constants.ts";
import { linuxErrors } from "./errors.ts";
import { failure } from "./failure.ts";

interface Level {
  /** -1 while it is closed to spare descriptors. */
  fd: number;
  readonly label: string;
  /** What it was when it was closed, to know it again. */
  identity: FileStat | undefined;
}

/** At most this many directories are held open at once, however deep a tree is. */
const MAX_OPEN = 64;

/**
 * The directories from a starting point down to where a descent is. Far ancestors are closed and, on the way back up,
 * opened again as `..` of their child, if that is still the same directory; so depth is bounded neither by PATH_MAX
 * nor by the limit of descriptors, and a rename cannot lead the descent elsewhere.
 */
export class FdStack implements Disposable {
  readonly #levels: Level[] = [];
  #firstOpen = 0;

  /** Takes over `fd`. */
  push(fd: number, label: string): void {
    this.#levels.push({ fd, label, identity: undefined });
    if (this.#levels.length - this.#firstOpen <= MAX_OPEN) return;
    const level = this.#levels[this.#firstOpen] as Level;
    level.identity = statFd(level.fd, level.label);
    closeQuietly(level.fd);
    level.fd = -1;
    this.#firstOpen++;
  }

  get depth(): number {
    return this.#levels.length;
  }

  /** The innermost directory. */
  get top(): number {
    return (this.#levels.at(-1) as Level).fd;
  }

  /** Closes the innermost directory; the one around it becomes the top, opened again if need be. */
  pop(): void {
    const child = this.#levels.pop() as Level;
    try {
      const parent = this.#levels.at(-1);
      if (parent === undefined || parent.fd >= 0) return;
      const fd = tryOpenat(child.fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (fd < 0) throw failure("openat", -fd, parent.label);
      if (!sameFile(statFd(fd, parent.label), parent.identity as FileStat)) {
        closeQuietly(fd);
        throw linuxErrors.error(
          "path-changing",
          `${parent.label}: moved while the tree below it was visited`,
          {
            context: { path: parent.label },
          },
        );
      }
      parent.fd = fd;
      this.#firstOpen = this.#levels.length - 1;
    } finally {
      closeQuietly(child.fd);
    }
  }

  [Symbol.dispose](): void {
    for (const level of this.#levels.splice(0)) if (level.fd >= 0) closeQuietly(level.fd);
  }
}
