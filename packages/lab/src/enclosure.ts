import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "./errors.ts";
import type { Command } from "./exec.ts";
import { requireProgram } from "./host.ts";
import { mountOf } from "./mounts.ts";
import { OWNER_VARIABLE, ownerTag, startTimeOf } from "./owner.ts";

/*
 * How peers are entered.
 *
 * One helper process for each process that uses peers holds a mount namespace of its own in which the tree is
 * bound to itself (its "/" must be a mount point, else container storage cannot unpack), with /proc, /sys, /dev, /tmp
 * and the scratch directories at the same paths as outside. A peer is then one `nsenter` into the helper's namespace and
 * root: as many program starts as a plain `chroot`, and nothing is bound on the machine itself, where a stray
 * `rm -rf` of the cache would meet the real /dev.
 *
 * The helper reads from a pipe and ends at its end: when our process goes, killed or not, the kernel takes
 * the namespace with all its mounts. Nothing needs to be cleaned, and several test processes need not agree.
 *
 * Scratch directories are shared mounts: what is mounted below them outside (a loop file system) is seen inside, and what
 * a peer mounts there is seen outside.
 */

export interface EnclosureOptions {
  /** Root of the tree. */
  root: string;
  /** Directories that appear at the same path inside, as shared mounts. */
  shared: readonly string[];
  /** Directories that appear at the same path inside, read-only. */
  readOnly: readonly string[];
  /** Where the ready mark is written for a moment. */
  state: string;
}

const SCRIPT = `set -e
root=$1; parent=$2; ready=$3; fixed=$4; shift 4
# Where the machine's own mounts are shared (systemd makes them so), ours must not go back.
mount --make-private "$parent"
mount --bind "$root" "$root"
mount --make-private "$root"
for dir; do mkdir -p "$root$dir"; done
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"; mount --make-rslave "$root/sys"
mount --rbind /dev "$root/dev"; mount --make-rslave "$root/dev"
mount --rbind /tmp "$root/tmp"; mount --make-rslave "$root/tmp"
for dir in run root var/tmp var/lib/containers; do
  if [ -d "$root/$dir" ]; then mount -t tmpfs -o mode=0755 tmpfs "$root/$dir"; fi
done
for dir; do mount --rbind "$dir" "$root$dir"; done
# The last ones, as many as told, cannot be written to.
while [ $# -gt "$fixed" ]; do shift; done
for dir; do mount -o remount,bind,ro "$root$dir"; done
: > "$ready"
exec chroot "$root" /bin/cat
`;

/** The environment that peers start with; nothing of ours leaks in. */
export const peerEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
  TZ: "UTC",
  PODMAN_IGNORE_CGROUPSV1_WARNING: "1",
  [OWNER_VARIABLE]: ownerTag(),
});

/** A namespace into which peers are started. */
export class Enclosure {
  readonly #helper: ChildProcess;
  readonly #prefix: readonly string[];
  readonly root: string;

  private constructor(helper: ChildProcess, root: string) {
    this.#helper = helper;
    this.root = root;
    const pid = String(helper.pid);
    this.#prefix = ["-t", pid, "-m", "-r"];
  }

  /** Sets it up; waits in place for some 20 ms, so that peers can be called from code that is not async. */
  static open(options: EnclosureOptions): Enclosure {
    const unshare = requireProgram("unshare", "util-linux");
    requireProgram("nsenter", "util-linux");
    mkdirSync(options.state, { recursive: true });
    const ready = join(options.state, "ready");
    const errors = join(options.state, "errors");
    rmSync(ready, { force: true });
    const helper = spawn(
      "/bin/sh",
      [
        "-c",
        'errors=$1; unshare=$2; script=$3; shift 3; exec 2>"$errors"; exec "$unshare" -m --propagation unchanged /bin/sh -c "$script" sh "$@"',
        "sh",
        errors,
        unshare,
        SCRIPT,
        options.root,
        mountOf(options.root).path,
        ready,
        String(options.readOnly.length),
        ...options.shared,
        ...options.readOnly,
      ],
      {
        stdio: ["pipe", "ignore", "ignore"],
        env: { ...peerEnvironment() },
        detached: true,
      },
    );
    helper.unref();
    (helper.stdin as unknown as { unref?: () => void }).unref?.();
    helper.on("error", () => undefined);
    const until = Date.now() + 20_000;
    const pause = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(ready)) {
      if (helper.pid === undefined || Date.now() > until || hasEnded(helper.pid))
        throw new LabError(
          "lab/enclosure",
          `cannot set up the peers' namespace: ${readIfThere(errors).trim()}`,
          {
            context: { root: options.root, shared: options.shared },
          },
        );
      Atomics.wait(pause, 0, 0, 1);
    }
    rmSync(ready, { force: true });
    // The mark is set just before the helper enters the tree.
    while (!hasEntered(helper.pid ?? 0)) {
      if (Date.now() > until || hasEnded(helper.pid ?? 0))
        throw new LabError("lab/enclosure", "the peers' helper ended", { context: { root: options.root } });
      Atomics.wait(pause, 0, 0, 1);
    }
    return new Enclosure(helper, options.root);
  }

  /** The command that runs a command inside, with the same working directory. */
  command(command: Command, cwd: string): Command {
    return ["nsenter", ...this.#prefix, `--wdns=${cwd}`, "--", ...command];
  }

  close(): void {
    this.#helper.kill("SIGKILL");
    this.#helper.stdin?.destroy();
    const pause = new Int32Array(new SharedArrayBuffer(4));
    while (this.#helper.pid !== undefined && !hasEnded(this.#helper.pid)) Atomics.wait(pause, 0, 0, 1);
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

/** Gone, or a zombie: nobody has waited for it while we wait in place. */
const hasEnded = (pid: number): boolean => startTimeOf(pid) === undefined;

const hasEntered = (pid: number): boolean => commandLine(pid)?.startsWith("/bin/cat\0") === true;
