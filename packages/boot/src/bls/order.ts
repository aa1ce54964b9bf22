import type { BlsEntry } from "./entry.ts";
<<<<<<< HEAD
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
=======
import { parseBlsFileName } from "./file-name.ts";
import { compareStrverscmp, compareVersions } from "./version.ts";

/** A boot entry with the name of its file, which some orders go by. */
export interface NamedEntry {
  readonly name: string;
  readonly entry: BlsEntry;
}

/**
 * The order of a menu by the Boot Loader Specification, as systemd-boot shows it: entries out of attempts last;
 * then those with a sort key, by key, machine and version, the newest first; then the others by file name, the
 * greatest version first.
 */
export function compareForMenu(a: NamedEntry, b: NamedEntry): number {
  const [left, right] = [parseBlsFileName(a.name), parseBlsFileName(b.name)];
  const spent = Number(left.triesLeft === 0) - Number(right.triesLeft === 0);
  if (spent !== 0) return spent;
  const keyed = Number(b.entry.sortKey !== undefined) - Number(a.entry.sortKey !== undefined);
  if (keyed !== 0) return keyed;
  if (a.entry.sortKey !== undefined && b.entry.sortKey !== undefined) {
    const order =
      compareText(a.entry.sortKey, b.entry.sortKey) ||
      compareText(a.entry.machineId ?? "", b.entry.machineId ?? "") ||
      compareVersions(b.entry.version ?? "", a.entry.version ?? "");
    if (order !== 0) return order;
  }
  return (
    compareVersions(right.id, left.id) ||
    (right.triesLeft ?? 0) - (left.triesLeft ?? 0) ||
    (left.triesDone ?? 0) - (right.triesDone ?? 0)
  );
}

/** The order in which bootc takes entries: by sort key and machine where both have one, then the newest version. */
export function compareAsBootc(a: BlsEntry, b: BlsEntry): number {
  return (
    compareIfBoth(a.sortKey, b.sortKey) ||
    compareIfBoth(a.machineId, b.machineId) ||
    compareVersions(b.version ?? "", a.version ?? "")
  );
}

/** The order in which ostree takes entries: the greatest version by `strverscmp` first, those without one last. */
export function compareAsOstree(a: BlsEntry, b: BlsEntry): number {
  if (a.version !== undefined && b.version !== undefined) return -compareStrverscmp(a.version, b.version);
  return Number(a.version === undefined) - Number(b.version === undefined);
}

function compareIfBoth(a: string | undefined, b: string | undefined): number {
  return a === undefined || b === undefined ? 0 : compareText(a, b);
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
<<<<<<< HEAD

/** Tries that are left and done, of a file name like `ostree-2+3-1.conf`; `undefined` where there is no counter. */
export function bootCounter(
  file: string,
): { readonly base: string; readonly left: number; readonly done: number } | undefined {
  const match = /^(.+)\+([0-9]+)(?:-([0-9]+))?\.conf$/.exec(file);
  if (match === null) return undefined;
  return { base: `${match[1] ?? ""}.conf`, left: Number(match[2]), done: Number(match[3] ?? 0) };
}
=======
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
