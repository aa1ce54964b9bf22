import type { BlsEntry } from "./entry.ts";
import { compareVersions } from "./version.ts";

/** An entry with the name of its file, which counts for the order. */
export interface NamedEntry {
  readonly file: string;
  readonly entry: BlsEntry;
}

/** Which program reads the entries; they do not agree on the order. */
export type EntryReader = "systemd-boot" | "grub";

/**
 * Entries in the order in which they are offered; the first is booted. systemd-boot: entries with a sort key first, by
 * it, then by machine id, then the newest version; those without by file name, the highest first. GRUB: by file name, the
 * highest first, and nothing else.
 */
export function inBootOrder<T extends NamedEntry>(entries: readonly T[], reader: EntryReader): T[] {
  return [...entries].sort(reader === "grub" ? byFileDescending : bySortKey);
}

function bySortKey(a: NamedEntry, b: NamedEntry): number {
  const one = a.entry.sortKey;
  const two = b.entry.sortKey;
  if (one !== undefined && two !== undefined) {
    return (
      compareText(one, two) ||
      compareText(a.entry.machineId ?? "", b.entry.machineId ?? "") ||
      compareVersions(b.entry.version ?? "", a.entry.version ?? "") ||
      byFileDescending(a, b)
    );
  }
  if (one !== undefined || two !== undefined) return one === undefined ? 1 : -1;
  return byFileDescending(a, b);
}

/** By the version rules, as both programs compare file names; plain text decides between equal versions. */
function byFileDescending(a: NamedEntry, b: NamedEntry): number {
  return compareText(b.file, a.file);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Tries that are left and done, of a file name like `ostree-2+3-1.conf`; `undefined` where there is no counter. */
export function bootCounter(
  file: string,
): { readonly base: string; readonly left: number; readonly done: number } | undefined {
  const match = /^(.+)\+([0-9]+)(?:-([0-9]+))?\.conf$/.exec(file);
  if (match === null) return undefined;
  return { base: `${match[1] ?? ""}.conf`, left: Number(match[2]), done: Number(match[3] ?? 0) };
}
