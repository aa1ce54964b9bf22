import type { BlsEntry } from "./entry.ts";
import { compareStrverscmp } from "./strverscmp.ts";
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
  // Entries that have failed as often as they may come last.
  const spent = Number(bootCounter(a.file)?.left === 0) - Number(bootCounter(b.file)?.left === 0);
  if (spent !== 0) return spent;
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
  const name = ({ file }: NamedEntry): string => bootCounter(file)?.base ?? file;
  return compareVersions(name(b), name(a)) || compareText(b.file, a.file);
}

/**
 * The order in which bootc takes entries: by sort key and by machine where both have one, then the newest version. With
 * entries of both kinds it is no total order.
 */
export function compareAsBootc(a: BlsEntry, b: BlsEntry): number {
  return (
    compareIfBoth(a.sortKey, b.sortKey) ||
    compareIfBoth(a.machineId, b.machineId) ||
    compareVersions(b.version ?? "", a.version ?? "")
  );
}

/** The order in which ostree takes entries: the greatest version by `strverscmp` first, those without one last. */
export function compareAsOstree(
  a: { readonly version: string | undefined },
  b: { readonly version: string | undefined },
): number {
  if (a.version !== undefined && b.version !== undefined) return -compareStrverscmp(a.version, b.version);
  return Number(a.version === undefined) - Number(b.version === undefined);
}

function compareIfBoth(a: string | undefined, b: string | undefined): number {
  return a === undefined || b === undefined ? 0 : compareText(a, b);
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
