import { readFileSync } from "node:fs";
import { LabError } from "./errors.ts";
import { run } from "./exec.ts";

/** One line of /proc/PID/mountinfo, as far as the lab needs it. */
export interface Mount {
  id: number;
  /** Where it is mounted. */
  path: string;
  type: string;
  source: string;
  /** `shared:N`, `master:N` and so on. */
  propagation: readonly string[];
}

const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The mounts of this process (or of another), in the kernel's order. */
export function mounts(pid: number | "self" = "self"): Mount[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, "latin1").split("\n");
  return lines
    .filter((line) => line !== "")
    .map((line) => {
      const words = line.split(" ");
      const dash = words.indexOf("-", 6);
      return {
        id: Number(words[0]),
        path: Buffer.from(unescape(words[4] ?? ""), "latin1").toString("utf8"),
        type: words[dash + 1] ?? "",
        source: unescape(words[dash + 2] ?? ""),
        propagation: words.slice(6, dash),
      };
    });
}

export const isBelow = (path: string, root: string): boolean =>
  path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`);

/** The mounts at and below a directory, in the kernel's order. */
export const mountsBelow = (root: string): Mount[] => mounts().filter((mount) => isBelow(mount.path, root));

/** The mount that a path lies on. */
export function mountOf(path: string): Mount {
  let best: Mount | undefined;
  for (const mount of mounts())
    if (isBelow(path, mount.path) && mount.path.length >= (best?.path.length ?? 0)) best = mount;
  if (!best) throw new LabError("lab/file-system", `no mount holds ${path}`, { context: { path } });
  return best;
}

/**
 * Takes away every mount at and below a directory, the last made first. A busy one is detached, so that it goes
 * with its last user; what the kernel refuses otherwise throws.
 */
export async function unmountBelow(root: string): Promise<number> {
  let taken = 0;
  // Mounts may hide one another and copies of a shared one vanish together: look again until none is left.
  for (let round = 0; round < 50; round++) {
    const last = mountsBelow(root).at(-1);
    if (!last) return taken;
    const plain = await run(["umount", "--", last.path]);
    if (plain.code !== 0) {
      const lazy = await run(["umount", "--lazy", "--", last.path]);
      if (lazy.code !== 0 && mounts().some((mount) => mount.id === last.id))
        throw new LabError("lab/file-system", `cannot unmount ${last.path}: ${lazy.errorText.trim()}`, {
          context: { path: last.path },
        });
    }
    taken++;
  }
  throw new LabError("lab/file-system", `mounts keep coming back below ${root}`, { context: { root } });
}
