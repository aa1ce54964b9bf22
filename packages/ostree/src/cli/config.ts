import type { ByteString } from "@bootc-store/core";

import { readConfig } from "../repo/config.ts";
import type { Repo } from "../repo/repo.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const config = command({
  name: "config",
  usage: "(get KEY|set KEY VALUE|unset KEY)",
  options: { group: { kind: "value" } },
  async run(cli, options, args) {
    using repo = cli.openRepo(options.repo);
    const [operation, name, value] = args;
    if (operation === undefined) throw new OstreeFailure("OPERATION must be specified", true);
    if (!["get", "set", "unset"].includes(operation))
      throw new OstreeFailure(`Unknown operation ${operation}`);
    if (name === undefined) {
      throw new OstreeFailure(
        operation === "set" ? "KEY and VALUE must be specified" : "KEY must be specified",
      );
    }
    const most = operation === "set" ? 3 : 2;
    if (operation === "set" && value === undefined)
      throw new OstreeFailure("KEY and VALUE must be specified");
    if (args.length > most) throw new OstreeFailure("Too many arguments given", true);
    const [group, key] = split(options.group, name);
    const file = repo.configFile;
    if (operation === "get") {
      const found = file.get(group, key);
      if (found === undefined) {
        throw new OstreeFailure(
          file.hasGroup(group)
            ? `Key file does not have key “${key}” in group “${group}”`
            : `Key file does not have group “${group}”`,
        );
      }
      await cli.line(found);
      return;
    }
    if (operation === "set") file.set(group, key, value as string);
    else if (file.get(group, key) === undefined) return;
    else file.remove(group, key);
    // What cannot be read again is not written.
    readConfig(file);
    writeConfig(repo);
  },
});

function split(group: string | undefined, name: string): [group: string, key: string] {
  if (group !== undefined) return [group, name];
  const dot = name.indexOf(".");
  if (dot < 0) throw new OstreeFailure('Key must be of the form "sectionname.keyname"');
  return [name.slice(0, dot), name.slice(dot + 1)];
}

/** Writes the config as it was changed. */
export function writeConfig(repo: Repo): void {
  repo.dir.atomicWrite("config" as ByteString, Buffer.from(repo.configFile.print()), { mode: 0o644 });
}
