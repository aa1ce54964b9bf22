// Running the workspace's own tools from its chores.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { ROOT } from "./workspace.ts";

export interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

/** Runs a program of `node_modules/.bin` or of the PATH and returns what it printed, both streams together. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Outcome {
  const started = performance.now();
  const child = spawnSync(program, args, {
    cwd: options.cwd ?? ROOT,
    env: {
      ...process.env,
      PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
      ...options.env,
    },
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  const output = `${child.stdout ?? ""}${child.stderr ?? ""}${child.error === undefined ? "" : `${child.error.message}\n`}`;
  return { code: child.status ?? 1, output, seconds: (performance.now() - started) / 1000 };
}

/** Runs a step, says how it went on one line, and shows its output only if it failed. */
export function step(
  title: string,
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): boolean {
  const { code, output, seconds } = run(program, args, options);
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${title} (${seconds.toFixed(1)} s)`);
  if (code !== 0) console.log(output.trimEnd());
  return code === 0;
}
