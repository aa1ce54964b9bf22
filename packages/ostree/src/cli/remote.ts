import type { ByteString } from "@bootc-store/core";

import { checkCollectionId, checkRemoteName } from "../repo/ref-name.ts";
import type { Repo } from "../repo/repo.ts";
import { command } from "./command.ts";
import { writeConfig } from "./config.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";

const NAMES = new Set(["add", "delete", "list", "show-url"]);

export const remote = command({
  name: "remote",
  usage: "COMMAND",
  options: {
    // Of all subcommands together; which may be given to which is said below.
    set: { kind: "list" },
    "no-gpg-verify": { kind: "flag" },
    "no-sign-verify": { kind: "flag" },
    "if-not-exists": { kind: "flag" },
    force: { kind: "flag" },
    "custom-backend": { kind: "value" },
    contenturl: { kind: "value" },
    "collection-id": { kind: "value" },
    "if-exists": { kind: "flag" },
    "show-urls": { kind: "flag", short: "u" },
    sysroot: { kind: "value" },
  },
  async run(cli, options, args) {
    const [name, ...rest] = args;
    if (name === undefined) throw new OstreeFailure('No "remote" subcommand specified', true);
    if (!NAMES.has(name)) throw new OstreeFailure(`Unknown "remote" subcommand '${name}'`, true);
    if (name === "add") return await add(cli, options, rest);
    if (name === "delete") return await remove(cli, options.repo, options["if-exists"], rest);
    if (name === "list") return await list(cli, options.repo, options["show-urls"]);
    return await showUrl(cli, options.repo, rest);
  },
});

const group = (name: string): string => `remote "${name}"`;

interface AddOptions {
  readonly repo: string | undefined;
  readonly set: readonly string[];
  readonly "no-gpg-verify": boolean;
  readonly "no-sign-verify": boolean;
  readonly "if-not-exists": boolean;
  readonly force: boolean;
  readonly "custom-backend": string | undefined;
  readonly contenturl: string | undefined;
  readonly "collection-id": string | undefined;
}

async function add(
  cli: Cli,
  options: AddOptions,
  [name, url, ...branches]: readonly string[],
): Promise<void> {
  if (name === undefined || url === undefined)
    throw new OstreeFailure("NAME and URL must be specified", true);
  if (options["if-not-exists"] && options.force) {
    throw new OstreeFailure("Can only specify one of --if-not-exists and --force", true);
  }
  using repo = cli.openRepo(options.repo);
  checkRemoteName(name);
  const file = repo.configFile;
  if (file.hasGroup(group(name))) {
    if (options["if-not-exists"]) return;
    if (!options.force)
      throw new OstreeFailure(`Remote configuration for "${name}" already exists: (in config)`);
    file.removeGroup(group(name));
  }
  const set = (key: string, value: string): void => file.set(group(name), key, value);
  const metalink = /^metalink=(.*)$/.exec(url);
  if (metalink === null) set("url", url);
  else set("metalink", metalink[1] as string);
  if (branches.length > 0) set("branches", branches.map((branch) => `${branch};`).join(""));
  if (options.contenturl !== undefined) set("contenturl", options.contenturl);
  if (options["custom-backend"] !== undefined) set("custom-backend", options["custom-backend"]);
  for (const pair of options.set) {
    const equals = pair.indexOf("=");
    if (equals < 0) throw new OstreeFailure(`Missing '=' in KEY=VALUE for --set`);
    set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  if (options["no-gpg-verify"]) set("gpg-verify", "false");
  if (options["no-sign-verify"]) set("sign-verify", "false");
  const id = options["collection-id"];
  if (id !== undefined) set("collection-id", checkCollectionId(id));
  writeConfig(repo);
}

async function remove(
  cli: Cli,
  path: string | undefined,
  ifExists: boolean,
  [name]: readonly string[],
): Promise<void> {
  if (name === undefined) throw new OstreeFailure("NAME must be specified", true);
  using repo = cli.openRepo(path);
  if (!repo.configFile.hasGroup(group(name))) {
    if (ifExists) return;
    throw new OstreeFailure(`Remote "${name}" not found`);
  }
  repo.configFile.removeGroup(group(name));
  writeConfig(repo);
  repo.dir.removeOptional(`${name}.trustedkeys.gpg` as ByteString);
}

async function list(cli: Cli, path: string | undefined, urls: boolean): Promise<void> {
  using repo = cli.openRepo(path);
  const all = new Map<string, string>();
  // A repository's own remotes count before those of its parents.
  for (let each: Repo | undefined = repo; each !== undefined; each = each.parent) {
    for (const found of each.configFile.groups()) {
      const name = /^remote "(.*)"$/.exec(found)?.[1];
      if (name !== undefined && !all.has(name)) all.set(name, each.configFile.getString(found, "url") ?? "");
    }
  }
  const names = [...all.keys()].sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  for (const name of names) {
    await cli.line(
      urls ? `${name.padEnd(width)}  ${repo.configFile.getString(group(name), "url") ?? ""}` : name,
    );
  }
}

async function showUrl(cli: Cli, path: string | undefined, [name]: readonly string[]): Promise<void> {
  if (name === undefined) throw new OstreeFailure("NAME must be specified", true);
  using repo = cli.openRepo(path);
  if (!repo.configFile.hasGroup(group(name))) throw new OstreeFailure(`Remote "${name}" not found`);
  await cli.line(repo.configFile.getString(group(name), "url") ?? "");
}
