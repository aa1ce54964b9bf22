import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import type { CommandModule } from "@bootc-store/backend/command";
import { utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { cliErrors, dropInScript, MARK, NAMES, NODE_OPTIONS } from "../drop-ins.ts";

/** `main` is the URL of the program's entry. */
export const dropinsCommand = (main: string): CommandModule => ({
  name: "dropins",
  summary: "write executables that stand in for other tools",
  register(parent, context) {
    parent
      .command("dropins")
      .description(
        `write executables into DIR that run this program under the names of tools: ${NAMES.join(", ")}`,
      )
      .argument("<dir>", "made if it is not there; scripts that an earlier run wrote are replaced")
      .action((path) => {
        const full = resolve(path);
        const dir = context.ensureDir(full);
        for (const name of NAMES) {
          writeDropIn(dir, name, main);
          context.output({}).line(join(full, name));
        }
      });
  },
});

function writeDropIn(dir: Dir, name: string, main: string): void {
  const found = dir.statOptional(utf8(name));
  const isOurs =
    found?.type === "regular" &&
    dir
      .readFile(utf8(name), { limit: 1 << 20 })
      .toString("latin1")
      .startsWith(`#!/bin/sh\n${MARK}\n`);
  if (found !== undefined && !isOurs) {
    throw cliErrors.error(
      "drop-in-dir-invalid",
      `${name} is there already and was not written by this command`,
      {
        context: { path: name },
      },
    );
  }
  // Run from its sources the program still points to what was built of them, which starts three times as fast.
  const built = main.endsWith(".ts") ? new URL("../bundle/main.js", main) : main;
  dir.atomicWrite(
    utf8(name),
    Buffer.from(dropInScript(name, process.execPath, fileURLToPath(built), NODE_OPTIONS)),
    {
      mode: 0o755,
    },
  );
}
