import { readdirSync, readlinkSync } from "node:fs";

/** What this process holds open, by descriptor. Linux only; elsewhere it is empty. */
export function openDescriptors(): Map<number, string> {
  const open = new Map<number, string>();
  let names: string[];
  try {
    names = readdirSync("/proc/self/fd");
  } catch {
    return open;
  }
  for (const name of names) {
    try {
      open.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // the descriptor of this very listing
    }
  }
  return open;
}

/** Runs `work` and returns descriptors that are open afterwards and were not before; there should be none. */
export async function leakedDescriptors(work: () => Promise<void>): Promise<string[]> {
  const before = openDescriptors();
  await work();
  return [...openDescriptors()]
    .filter(
      ([fd, target]) =>
        before.get(fd) !== target && !target.startsWith("anon_inode:") && !target.startsWith("pipe:"),
    )
    .map(([fd, target]) => `${fd} -> ${target}`);
}
