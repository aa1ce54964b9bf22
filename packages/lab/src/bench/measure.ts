import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { type Command, quoted, run, type RunOptions } from "../exec.ts";
import { requireProgram } from "../host.ts";

/** What one run of a whole process cost, with the children it waited for. */
export interface Cost {
  /** Seconds. */
  wall: number;
  /** Seconds. */
  user: number;
  /** Seconds. */
  system: number;
  /** Most bytes resident in any one of its processes; below some 6 MB it cannot be told. */
  resident: number;
}

/** Runs a command once and measures it. Its standard output goes nowhere. An exit code other than 0 throws. */
export async function measure(command: Command, options: Omit<RunOptions, "input"> = {}): Promise<Cost> {
  const perl = requireProgram("perl", "perl-base");
  const directory = mkdtempSync(join(tmpdir(), "lab-measure-"));
  try {
    const result = join(directory, "result");
    const script = fileURLToPath(new URL("./measure.pl", import.meta.url));
    const done = await run([perl, script, result, "/dev/null", "--", ...command], {
      timeout: 1_800_000,
      ...options,
    });
    if (done.code !== 0)
      throw new LabError("lab/fault", `cannot measure ${quoted(command)}: ${done.errorText.trim()}`, {
        context: { command },
      });
    const [wall, user, system, kilobytes, code] = readFileSync(result, "utf8").trim().split(" ").map(Number);
    if (
      wall === undefined ||
      user === undefined ||
      system === undefined ||
      kilobytes === undefined ||
      code !== 0
    )
      throw new LabError(
        "lab/command-failed",
        `exit code ${code} of ${quoted(command)}: ${done.errorText.trim()}`,
        {
          context: { command, code },
        },
      );
    return { wall, user, system, resident: kilobytes * 1024 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
