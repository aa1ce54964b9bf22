import { type ByteString, isStoreError } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { deploymentPath } from "../sysroot/deployment.ts";
import { statusJson, statusText } from "../sysroot/status.ts";
import { Sysroot } from "../sysroot/sysroot.ts";
import { command } from "./command.ts";
import type { Cli } from "./context.ts";
import { compareSides, DirectorySide, type Found } from "./diff.ts";
import { OstreeFailure } from "./failure.ts";

const NO_OS = "Not currently booted into an OSTree system and no --os= argument given";

/** The commands of `ostree admin` that only read. */
export const admin = command({
  name: "admin",
  usage: "--print-current-dir|COMMAND",
  options: {
    // Of all subcommands together.
    sysroot: { kind: "value" },
    "print-current-dir": { kind: "flag" },
    json: { kind: "flag", short: "J" },
    verify: { kind: "flag", short: "V" },
    "skip-signatures": { kind: "flag", short: "S" },
    "is-default": { kind: "flag", short: "D" },
    os: { kind: "value" },
  },
  async run(cli, options, [name, ...rest]) {
    if (name === undefined && !options["print-current-dir"]) {
      throw new OstreeFailure('No "admin" subcommand specified', true);
    }
    if (name !== undefined && name !== "status" && name !== "config-diff") {
      throw new OstreeFailure(`Unknown "admin" subcommand '${name}'`, true);
    }
    if (rest.length > 0 && name === "config-diff") throw new OstreeFailure(`Too many arguments`, true);
    const path = options.sysroot ?? cli.context.env["OSTREE_SYSROOT"] ?? "/";
    using sysroot = openSysroot(cli, path);
    if (name === undefined) return await printCurrentDir(cli, sysroot, path);
    if (name === "config-diff") return await configDiff(cli, sysroot, options.os);
    if (options["is-default"]) {
      if (sysroot.deployments.length === 0) throw new OstreeFailure("Not in a booted OSTree system");
      await cli.line(sysroot.deployments[0]?.booted === true ? "default" : "not-default");
      return;
    }
    if (options.verify) throw new OstreeFailure("Signatures of deployments cannot be verified");
    await cli.write(options.json ? statusJson(sysroot) : statusText(sysroot));
  },
});

/** The sysroot at a path, as the system that runs sees it. */
export function openSysroot(cli: Cli, path: string): Sysroot {
  let dir: Dir;
  try {
    dir = cli.context.openDir(path);
  } catch (error) {
    if (!isStoreError(error, "linux/not-found")) throw error;
    throw new OstreeFailure(`Initializing sysroot: opendir(${path}): No such file or directory`);
  }
  try {
    using root = cli.context.openDir("/");
    using run = root.openDirOptional("run" as ByteString);
    return Sysroot.open(dir, { root, ...(run === undefined ? {} : { run }) });
  } catch (error) {
    dir[Symbol.dispose]();
    if (!isStoreError(error, "ostree/repo-not-found")) throw error;
    throw new OstreeFailure(
      "loading sysroot: Opening sysroot repo: opendir(ostree/repo): No such file or directory",
    );
  }
}

async function printCurrentDir(cli: Cli, sysroot: Sysroot, path: string): Promise<void> {
  const deployment = sysroot.booted ?? sysroot.deployments[0];
  if (deployment === undefined) throw new OstreeFailure("Unable to find a deployment in sysroot");
  const top = path.replace(/\/+$/, "");
  await cli.line(
    `${top.startsWith("/") || top === "" ? top : `${cli.context.cwd}/${top}`}/${deploymentPath(deployment)}`,
  );
}

/** How `/etc` differs from what the deployment came with. */
async function configDiff(cli: Cli, sysroot: Sysroot, os: string | undefined): Promise<void> {
  const stateroot = os ?? sysroot.booted?.stateroot;
  if (stateroot === undefined) throw new OstreeFailure(NO_OS);
  const deployment = sysroot.mergeDeployment(stateroot);
  if (deployment === undefined) throw new OstreeFailure(`No deployment for OS '${stateroot}'`);
  using root = sysroot.openDeployment(deployment);
  const owner = { uid: undefined, gid: undefined };
  using before = new DirectorySide(root.openDir("usr/etc" as ByteString), true, owner);
  using after = new DirectorySide(root.openDir("etc" as ByteString), true, owner);
  const found: Found = { modified: [], removed: [], added: [] };
  await compareSides(before, after, before.root, after.root, found);
  for (const path of found.modified) await cli.line(`M    ${path}`);
  for (const path of found.removed) await cli.line(`D    ${path}`);
  for (const path of found.added) await cli.line(`A    ${path}`);
}
