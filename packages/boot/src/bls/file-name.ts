import { bootErrors } from "../errors.ts";

/** The name of a boot entry's file, `NAME[+LEFT[-DONE]].conf`. */
export interface BlsFileName {
  /** Without counters and suffix. */
  readonly id: string;
  /** Attempts left; `undefined` where boots are not counted. */
  readonly triesLeft: number | undefined;
  /** Attempts that failed. */
  readonly triesDone: number | undefined;
}

/** Throws `boot/file-name-invalid` for a name without `.conf`. */
export function parseBlsFileName(name: string): BlsFileName {
  if (!name.endsWith(".conf") || name.includes("/") || name.length === ".conf".length) {
    throw bootErrors.error("file-name-invalid", `not the name of a boot entry: "${name.slice(0, 300)}"`);
  }
  const stem = name.slice(0, -".conf".length);
  const counters = /^(.+)\+(\d{1,9})(?:-(\d{1,9}))?$/.exec(stem);
  if (counters === null) return { id: stem, triesLeft: undefined, triesDone: undefined };
  const [, id = "", left, done] = counters;
  return { id, triesLeft: Number(left), triesDone: done === undefined ? undefined : Number(done) };
}

export function printBlsFileName({ id, triesLeft, triesDone }: BlsFileName): string {
  const counters =
    triesLeft === undefined ? "" : `+${triesLeft}${triesDone === undefined ? "" : `-${triesDone}`}`;
  return `${id}${counters}.conf`;
}

/** The parts of ostree's names, `ostree-N.conf` or `ostree-N-STATEROOT.conf`; the greatest N is the default. */
export interface OstreeEntryName extends BlsFileName {
  readonly number: number;
  readonly stateroot: string | undefined;
}

/** `undefined` for names that are not ostree's. */
export function parseOstreeEntryName(name: string): OstreeEntryName | undefined {
  if (!name.startsWith("ostree-") || !name.endsWith(".conf")) return undefined;
  const file = parseBlsFileName(name);
  const parts = /^ostree-(\d{1,9})(?:-(.+))?$/.exec(file.id);
  return parts === null ? undefined : { ...file, number: Number(parts[1]), stateroot: parts[2] };
}

export function printOstreeEntryName(
  number: number,
  options: { stateroot?: string; triesLeft?: number } = {},
): string {
  const id = options.stateroot === undefined ? `ostree-${number}` : `ostree-${number}-${options.stateroot}`;
  return printBlsFileName({ id, triesLeft: options.triesLeft, triesDone: undefined });
}

/**
 * The name of bootc's entries for composefs deployments: `bootc_ID-VERSION-PRIORITY.conf`, where ID has its dashes
 * as underscores. Of the primary entry, the next default, the priority is 1; of the secondary it is 0.
 */
export function printBootcEntryName(osId: string, version: string, place: "primary" | "secondary"): string {
  return `bootc_${osId.replaceAll("-", "_")}-${version}-${place === "primary" ? 1 : 0}.conf`;
}

/** The sort key of bootc's entries, whose digit is the other way round, since systemd-boot sorts upwards. */
export function printBootcSortKey(osId: string, place: "primary" | "secondary"): string {
  return `bootc-${osId}-${place === "primary" ? 0 : 1}`;
}
