import { geteuid } from "node:process";

import type { DropIn, DropInContext } from "@bootc-store/backend/command";

import { openReferencedStore } from "../open.ts";
import { resolveStore } from "../configuration.ts";
import { changes } from "./changes.ts";
import { type Flag, parseFlags, UsageError } from "./arguments.ts";
import * as change from "./change.ts";
import * as containers from "./containers.ts";
import { type Command, messageOf } from "./command.ts";
import { dataCommands } from "./data.ts";
import { applyDiff, diff, diffSizeCommand, importLayer } from "./diff.ts";
import * as list from "./list.ts";
import * as mounts from "./mounts.ts";
import * as upkeep from "./upkeep.ts";

const COMMANDS: readonly Command[] = [
  ...Object.values(list),
  ...Object.values(change),
  ...dataCommands,
  diff,
  diffSizeCommand,
  importLayer,
  applyDiff,
  ...Object.values(containers),
  ...Object.values(mounts),
  changes,
  ...Object.values(upkeep),
];

const GLOBAL: readonly Flag[] = [
  { names: ["graph", "g"], takes: "value" },
  { names: ["run", "R"], takes: "value" },
  { names: ["image-store"], takes: "value" },
  { names: ["storage-driver", "s"], takes: "value" },
  { names: ["storage-opt"], takes: "value" },
  { names: ["transient-store"] },
  { names: ["debug", "D"] },
  { names: ["unshare", "U"] },
  { names: ["help"] },
];

/** Stands in for `containers-storage` 1.64. */
export const containersStorageDropIn: DropIn = {
  name: "containers-storage",
  summary: "manage a containers-storage graph root as the containers-storage program does",
  run: runContainersStorage,
};

async function runContainersStorage(context: DropInContext): Promise<number> {
  try {
    return await dispatch(context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    await context.writeErr(`${messageOf(error)}\n`);
    return error instanceof UsageError ? error.code : 1;
  }
}

async function dispatch(context: DropInContext): Promise<number> {
  const { flags: before, rest } = parseFlags(context.argv, GLOBAL, { stopAtArgument: true });
  const [name, ...args] = rest;
  if (before.is("help") || name === undefined) {
    await context.writeOut(usage());
    return name === undefined && !before.is("help") ? 1 : 0;
  }
  const command = COMMANDS.find(({ names }) => names.includes(name));
  if (command === undefined) {
    await context.writeOut(`${name}: unrecognized command.\n`);
    return 1;
  }
  const { flags, rest: own } = parseFlags(args, [...command.flags, ...GLOBAL], { command: name });
  if (flags.is("help")) {
    await context.writeOut(usageOf(command));
    return 0;
  }
  if (own.length < command.least || own.length > command.most) {
    const which = own.length < command.least ? "more arguments required" : "more arguments than expected";
    await context.writeOut(`${name}: ${which}.\n${usageOf(command)}`);
    return 1;
  }
  const globals = (key: string): string | undefined => flags.value(key) ?? before.value(key);
  const environment = {
    root: context.openDir("/"),
    uid: geteuid?.() ?? 0,
    home: context.env["HOME"] ?? "/root",
    variables: context.env,
  };
  const graph = globals("graph");
  const run = globals("run");
  const driver = globals("storage-driver");
  const imageStore = globals("image-store");
  const absolute = (path: string): string => (path.startsWith("/") ? path : `${context.cwd}/${path}`);
  const reference =
    graph === undefined
      ? { options: [] }
      : {
          graphRoot: absolute(graph),
          options: [...before.all("storage-opt"), ...flags.all("storage-opt")],
          ...(run === undefined ? {} : { runRoot: absolute(run) }),
          ...(driver === undefined ? {} : { driver }),
        };
  const { graphRoot, runRoot } = resolveStore(reference, environment);
  await using store = openReferencedStore(reference, {
    environment,
    pool: context.pool(),
    log: context.log,
    ...(imageStore === undefined ? {} : { imageStore: absolute(imageStore) }),
    ...(flags.is("transient-store") || before.is("transient-store") ? { transient: true } : {}),
  });
  return await command.run({
    store,
    context,
    flags,
    args: own,
    paths: { graphRoot, runRoot },
    out: async (text) => await context.writeOut(text),
    err: async (text) => await context.writeErr(text),
  });
}

function usage(): string {
  const lines = COMMANDS.map(({ names, summary }) => `  ${(names[0] as string).padEnd(30)}${summary}`);
  return `Usage: containers-storage command [options [...]]\n\nCommands:\n\n${lines.join("\n")}\n`;
}

function usageOf({ names, usage: args, summary, flags }: Command): string {
  const options = flags.map(
    (flag) => `  ${flag.names.map((each) => (each.length > 1 ? `--${each}` : `-${each}`)).join(", ")}`,
  );
  return `Usage: containers-storage ${names[0]} [options [...]] ${args}\n\n${summary}\n\nOptions:\n${options.join("\n")}\n`;
}
