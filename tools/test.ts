// `pnpm test [-- ARGS]`: every package's tests, and at the end what ran, what did not, and why.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { ROOT } from "./workspace.ts";

const child = spawnSync(join(ROOT, "node_modules/.bin/vitest"), ["run", ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: "inherit",
});
if (child.error !== undefined) throw child.error;
process.exitCode = child.status ?? 1;
