// Stand-ins for other tools: called by such a tool's name, the program takes its arguments, prints its output and
// returns its exit codes.
import { basename } from "node:path";

import type { DropIn } from "@bootc-store/backend/command";
import { defineErrors } from "@bootc-store/core";

import type { AppContext } from "./context.ts";

export const cliErrors = defineErrors("cli", {
  "drop-in-unknown": {
    kind: "usage",
    meaning: "The program was called by the name of a tool that it does not stand in for.",
  },
  "drop-in-dir-invalid": {
    kind: "usage",
    meaning: "The place for the stand-ins is no directory, or holds something else of that name.",
  },
});

/** How each stand-in is loaded, by its tool's name: only the one that was called is. */
export const DROP_INS: ReadonlyMap<string, () => Promise<DropIn>> = new Map([
  [
    "containers-storage",
    async () => (await import("@bootc-store/containers-storage/drop-in")).containersStorageDropIn,
  ],
  ["ostree", async () => (await import("@bootc-store/ostree/drop-in")).ostreeDropIn],
  ["mkcomposefs", async () => (await import("@bootc-store/composefs/drop-ins")).mkcomposefs],
  ["composefs-info", async () => (await import("@bootc-store/composefs/drop-ins")).composefsInfo],
  ["composefs-dump", async () => (await import("@bootc-store/composefs/drop-ins")).composefsDump],
  ["mount.composefs", async () => (await import("@bootc-store/composefs/drop-ins")).mountComposefs],
  ["cfsctl", async () => (await import("@bootc-store/composefs/drop-ins")).cfsctl],
]);

/** Names under which the program can be called. */
export const NAMES: readonly string[] = ["bootc-store", ...DROP_INS.keys()];

/** Stand-ins that are also commands of ours: `bootc-store composefs mkcomposefs …`. */
export const IN_GROUPS: ReadonlyMap<string, readonly string[]> = new Map([
  ["composefs", ["mkcomposefs", "composefs-info", "composefs-dump", "mount.composefs", "cfsctl"]],
]);

/** Stand-ins that are commands of ours under their own names: `bootc-store ostree …`. */
export const AS_COMMANDS: readonly string[] = ["ostree", "containers-storage"];

/** A line of every script of ours, by which it is known again. */
export const MARK = "# written by bootc-store dropins";

const CALLED_AS = "--called-as=";

/**
 * By which name the program was called: the first argument that a stand-in's script gives, else the name of the
 * link by which it was started.
 */
export function calledAs(
  calledBy: string,
  args: readonly string[],
): { name: string; rest: readonly string[] } {
  const [first] = args;
  if (first?.startsWith(CALLED_AS) === true)
    return { name: first.slice(CALLED_AS.length), rest: args.slice(1) };
  const name = basename(calledBy).replace(/\.[cm]?[jt]s$/, "");
  if (DROP_INS.has(name)) return { name, rest: args };
  // The arguments of a stand-in are its own, so they are not looked at as if they were ours.
  const [, second = "", ...behind] = args;
  if (first !== undefined && AS_COMMANDS.includes(first)) return { name: first, rest: args.slice(1) };
  if (IN_GROUPS.get(first ?? "")?.includes(second) === true) return { name: second, rest: behind };
  return { name: "bootc-store", rest: args };
}

export async function runDropIn(name: string, args: readonly string[], context: AppContext): Promise<number> {
  const load = DROP_INS.get(name);
  if (load === undefined) {
    throw cliErrors.error(
      "drop-in-unknown",
      `there is no stand-in for "${name}"; there are: ${NAMES.join(", ")}`,
    );
  }
  const dropIn = await load();
  return await dropIn.run(context.forDropIn(args));
}

/**
 * Options of Node for the program, as in its own first line: what is young in its heap is small and dies soon, and more room for it
 * costs memory without saving time.
 */
export const NODE_OPTIONS: readonly string[] = ["--max-semi-space-size=2"];

/** The script that runs the program under a tool's name, from any working directory. */
export function dropInScript(
  name: string,
  node: string,
  main: string,
  options: readonly string[] = [],
): string {
  const words = [node, ...options, main, ...(name === "bootc-store" ? [] : [`${CALLED_AS}${name}`])];
  return `#!/bin/sh\n${MARK}\nexec ${words.map(quote).join(" ")} "$@"\n`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
