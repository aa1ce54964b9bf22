#!/usr/bin/env node
// The entry. Asked for its version it loads nothing else; everything that costs time to load is behind the import.
import { version } from "./version.ts";

const [, calledBy = "", ...args] = process.argv;

if (
  args.length === 1 &&
  (args[0] === "--version" || args[0] === "-V") &&
  /bootc-store|main\.[jt]s$/.test(calledBy)
) {
  process.stdout.write(`${version()}\n`);
} else {
  const { run } = await import("./run.ts");
  process.exitCode = await run(calledBy, args);
}
