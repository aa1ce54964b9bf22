import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Lab, machineLine, peerNames } from "@bootc-store/lab";
import { backendOf, type PlannedCell } from "./plan.ts";
import { type CellResult, type RunReport, type Verdict, verdictOf } from "./verdict.ts";

/** Thrown by `skip`, caught by the runner only. */
class Skipped extends Error {
  override readonly name = "Skipped";
}

export interface RunnerOptions {
  lab: Lab;
  matrix: string;
  seed: number;
  /** Milliseconds for a cell; ten minutes unless given. */
  timeout?: number;
  /** Told of each cell as it ends. */
  onCell?: (cell: CellResult) => void;
}

/** Runs the cells one after another, each on a file system of its own that goes afterwards. */
export async function runCells(cells: readonly PlannedCell[], options: RunnerOptions): Promise<RunReport> {
  const startedAt = new Date().toISOString();
  const done: CellResult[] = [];
  for (const cell of cells) {
    const result = await runCell(cell, options);
    options.onCell?.(result);
    done.push(result);
  }
  const versions = peerNames.map((name) => [name, options.lab.peer(name).version ?? ""] as const);
  return {
    startedAt,
    matrix: options.matrix,
    seed: options.seed,
    machine: machineLine(),
    peers: Object.fromEntries(versions.filter(([, version]) => version !== "")),
    cells: done,
  };
}

async function runCell(cell: PlannedCell, options: RunnerOptions): Promise<CellResult> {
  const { scenario, filesystem, seed, reason } = cell;
  const steps: string[] = [];
  const notes: string[] = [`seed ${seed}`];
  const started = performance.now();
  let verdict: Verdict = { kind: "pass" };
  if (reason !== undefined) verdict = { kind: "skipped", reason };
  else
    try {
      await using fs = await options.lab.filesystem(filesystem);
      const scratch = fs.has("writable") ? join(fs.path, "scratch") : fs.path;
      if (fs.has("writable")) mkdirSync(scratch);
      const timeout = options.timeout ?? 600_000;
      const signal = AbortSignal.timeout(timeout);
      const ended = scenario.run({
        signal,
        seed,
        scratch,
        lab: options.lab,
        filesystem,
        note: (line) => void notes.push(line),
        async step(title, work) {
          steps.push(title);
          return await work();
        },
        skip(why) {
          throw new Skipped(why);
        },
      });
      await Promise.race([ended, whenAborted(signal, timeout)]);
    } catch (error) {
      verdict = error instanceof Skipped ? { kind: "skipped", reason: error.message } : verdictOf(error);
    }
  return {
    id: scenario.id,
    title: scenario.title,
    backend: backendOf(scenario.id),
    filesystem,
    verdict,
    steps,
    notes,
    ms: performance.now() - started,
  };
}

function whenAborted(signal: AbortSignal, timeout: number): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`no end after ${timeout} ms`)), { once: true });
  });
}
