import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/*
 * Who made a thing on disk, so that a later session can tell whether its maker still lives.
 * A process id alone is not enough: ids are given out again. The id with the start time (clock ticks
 * since boot, field 22 of /proc/PID/stat), the process namespace and the boot names one process for good.
 */

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().slice(0, 8);

const processNamespace = (): string => readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");

/** Start time of a process, or undefined when there is none (or only a zombie). */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
  // The second field is the program's name in brackets and may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return fields[19];
}

let own: string | undefined;

/** This process as text: `PID-STARTTIME-NAMESPACE-BOOT`; a file name prefix and an environment value. */
export function ownerTag(): string {
  own ??= `${process.pid}-${startTimeOf(process.pid) ?? "0"}-${processNamespace()}-${bootId()}`;
  return own;
}

/** A fresh name that carries its owner: `PID-STARTTIME-NAMESPACE-BOOT-RANDOM`. */
export const ownedName = (): string => `${ownerTag()}-${randomBytes(4).toString("hex")}`;

/**
 * Whether the process that a name or tag speaks of still runs. Undefined where that cannot be known: a name
 * that carries no owner, or an owner in another process namespace. Nobody but a person may remove such a thing.
 */
export function ownerAlive(name: string): boolean | undefined {
  const match = /^(\d+)-(\d+)-(\d+)-([0-9a-f]{8})(?:-|$)/.exec(name);
  if (!match) return undefined;
  if (match[4] !== bootId()) return false;
  if (match[3] !== processNamespace()) return undefined;
  return startTimeOf(Number(match[1])) === match[2];
}

/** The environment variable by which processes started by the lab name their owner. */
export const OWNER_VARIABLE = "BOOTC_STORE_LAB_OWNER";

/** Ids of running processes that a lab session started which itself is gone. */
export function orphans(): number[] {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    let environ: string;
    try {
      environ = readFileSync(`/proc/${entry}/environ`, "latin1");
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") continue;
      throw error;
    }
    const marker = environ.split("\0").find((line) => line.startsWith(`${OWNER_VARIABLE}=`));
    if (marker && ownerAlive(marker.slice(OWNER_VARIABLE.length + 1)) === false) found.push(Number(entry));
  }
  return found;
}
