#!/usr/bin/env -S node --max-semi-space-size=2
// The entry. Asked for its version it loads no other file; everything that costs time to load is behind the import.
import { readFileSync } from "node:fs";

import { keepCompiledCode } from "./compile-cache.ts";

const [, calledBy = "", ...args] = process.argv;
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

if (
  args.length === 1 &&
  (args[0] === "--version" || args[0] === "-V") &&
  /bootc-store|main\.[jt]s$/.test(calledBy)
) {
  process.stdout.write(`${version}\n`);
} else {
  void runRest();
}

async function runRest(): Promise<void> {
  keepCompiledCode();
  const { run } = await import("./run.ts");
  process.exitCode = await run({ calledBy, args, version, main: import.meta.url });
}
