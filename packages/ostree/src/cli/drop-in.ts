import type { DropIn, DropInContext } from "@bootc-store/backend/command";

import { parseArguments } from "./arguments.ts";
import { COMMON, type OstreeCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { Cli } from "./context.ts";
import { messageOf, OstreeFailure } from "./failure.ts";

const VERSION = `libostree:
 Version: '2026.4'
 Features:
  - inode64
  - initial-var
  - composefs
  - libarchive
  - selinux
  - release
  - p2p
`;

/** Stands in for `ostree` 2026.4. */
export const ostreeDropIn: DropIn = {
  name: "ostree",
  summary: "manage ostree repositories as the ostree program does",
  run: runOstree,
};

async function runOstree(context: DropInContext): Promise<number> {
  const cli = new Cli(context);
  try {
    const code = await dispatch(cli, [...context.argv]);
    await cli.flush();
    return code;
  } catch (error) {
    await cli.flush();
    if (context.signal.aborted) throw error;
    await cli.note(`error: ${messageOf(error)}`);
    return 1;
  }
}

async function dispatch(cli: Cli, argv: string[]): Promise<number> {
  // The first argument that is no option is the command; all others, before it and after, are its own.
  const at = argv.findIndex((arg) => !arg.startsWith("-"));
  const name = at < 0 ? undefined : argv[at];
  if (at >= 0) argv.splice(at, 1);
  if (name === undefined) {
    if (argv.includes("--version")) {
      await cli.write(VERSION);
      return 0;
    }
    const help = argv.includes("--help") || argv.includes("-h");
    await (help ? cli.write(usage()) : cli.note(usage().trimEnd()));
    if (help) return 0;
    const unknown = argv.find((arg) => !["-v", "--verbose"].includes(arg) && !arg.startsWith("--repo="));
    throw new OstreeFailure(unknown === undefined ? "No command specified" : `Unknown option ${unknown}`);
  }
  const load = COMMANDS.get(name);
  if (load === undefined) {
    await cli.note(usage().trimEnd());
    throw new OstreeFailure(`Unknown command '${name}'`);
  }
  const found = await load();
  return await (found.below === undefined ? runCommand(cli, found, argv) : found.below(cli, argv));
}

async function runCommand(cli: Cli, command: OstreeCommand, argv: readonly string[]): Promise<number> {
  const { options, positional } = parseArguments({ ...command.options, ...COMMON }, argv);
  if (options.version) {
    await cli.write(VERSION);
    return 0;
  }
  if (options.help) {
    await cli.write(commandUsage(command));
    return 0;
  }
  try {
    return (await command.run(cli, options, positional)) ?? 0;
  } catch (error) {
    if (error instanceof OstreeFailure && error.usage) await cli.note(commandUsage(command).trimEnd());
    throw error;
  }
}

function usage(): string {
  const names = [...COMMANDS.keys()].map((name) => `  ${name}\n`).join("");
  return `Usage:\n  ostree [OPTION…] COMMAND\n\nBuiltin Commands:\n${names}\nHelp Options:\n  -h, --help      Show help options\n\nApplication Options:\n  -v, --verbose   Print debug information during command processing\n  --version       Print version information and exit\n\n`;
}

function commandUsage(command: OstreeCommand): string {
  const lines = Object.entries(command.options).map(([long, { short, kind }]) => {
    const names = `${short === undefined ? "" : `-${short}, `}--${long}${kind === "flag" ? "" : "=VALUE"}`;
    return `  ${names}\n`;
  });
  return `Usage:\n  ostree ${command.name} [OPTION…] ${command.usage}\n\nHelp Options:\n  -h, --help   Show help options\n\nApplication Options:\n${lines.join("")}  --repo=PATH\n\n`;
}
