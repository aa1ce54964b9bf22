import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { LabError } from "./errors.ts";
import { type Command, run, succeed } from "./exec.ts";

/** Whether this process is root on Linux; most of the lab needs it. */
export const isRoot = (): boolean => process.platform === "linux" && process.geteuid?.() === 0;

export function requireRoot(what: string): void {
  if (process.platform !== "linux")
    throw new LabError("lab/needs-linux", `${what} works on Linux only`, {
      context: { platform: process.platform },
    });
  if (!isRoot()) throw new LabError("lab/needs-root", `${what} needs root`, { hint: "run it as root" });
}

/** Where the shell would find a program on this machine, /usr/sbin and /sbin included. */
export function findProgram(name: string): string | undefined {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const place of places) {
    if (place === "") continue;
    const path = join(place, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: look on.
    }
  }
  return undefined;
}

export function requireProgram(name: string, packageName: string): string {
  const path = findProgram(name);
  if (path === undefined)
    throw new LabError("lab/missing-program", `${name} is not on this machine`, {
      context: { program: name },
      hint: `apt-get install ${packageName}`,
    });
  return path;
}

/** A program with the Debian package that brings it. */
export type ProgramOf = readonly [program: string, packageName: string];

/**
 * Installs the Debian packages of those programs that are not there. Does nothing, and needs no root, when all
 * are there. `log` gets one line a step.
 */
export async function ensurePrograms(
  programs: readonly ProgramOf[],
  log: (line: string) => void,
): Promise<void> {
  const missing = [...new Set(programs.filter(([name]) => !findProgram(name)).map(([, pack]) => pack))];
  if (missing.length === 0) return;
  requireRoot(`installing ${missing.join(", ")}`);
  requireProgram("apt-get", "apt");
  log(`installing on this machine: ${missing.join(", ")}`);
  const install: Command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", ...missing];
  // Two programs may want packages at the same moment: apt waits for the other's lock.
  const options = {
    timeout: 900_000,
    env: { DEBIAN_FRONTEND: "noninteractive", APT_LISTCHANGES_FRONTEND: "none" },
  };
  const wait: Command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", ...install.slice(1)];
  const first = await run(wait, options);
  if (first.code === 0) return;
  // The lists may be old or absent.
  await succeed(["apt-get", "-o", "DPkg::Lock::Timeout=300", "update", "-q"], options);
  await succeed(wait, options);
}
