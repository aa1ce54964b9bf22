import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { requireProgram } from "../host.ts";

/** What the second program does. */
export type WriterTask =
  /** Holds a lock: `flock(2)`, an open-file-description lock, or a classic record lock (one owner a process). */
  | { lock: "flock" | "ofd" | "record"; mode?: "exclusive" | "shared"; path: string }
  /** Appends `bytes` bytes again and again. */
  | { append: string; bytes?: number }
  /** Writes `PATH.new` and renames it over PATH again and again. */
  | { replace: string; bytes?: number };

export interface SecondWriter extends AsyncDisposable {
  readonly pid: number;
  /** Ends it; resolves to the rounds it has written (1 for a lock). */
  stop(): Promise<number>;
}

function argumentsOf(task: WriterTask): string[] {
  if ("lock" in task) return ["lock", task.lock, task.mode ?? "exclusive", task.path];
  if ("append" in task) return ["append", task.append, String(task.bytes ?? 100)];
  return ["replace", task.replace, String(task.bytes ?? 100)];
}

/**
 * Starts another program that holds a lock or writes in a loop; resolves when the lock is held or the first round
 * is written (it waits for a lock that another holds). It ends with us at the latest.
 */
export async function secondWriter(
  task: WriterTask,
  options: { signal?: AbortSignal } = {},
): Promise<SecondWriter> {
  const perl = requireProgram("perl", "perl-base");
  const child = spawn(perl, [fileURLToPath(new URL("./writer.pl", import.meta.url)), ...argumentsOf(task)], {
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.signal ? { signal: options.signal } : {}),
  });
  let said = "";
  let complained = "";
  child.stderr.on("data", (chunk: Buffer) => (complained += chunk.toString()));
  child.stdin.on("error", () => {
    // It has ended; "close" tells.
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("ready\n")) resolve();
    });
    child.once("error", reject);
    child.once("close", () =>
      reject(
        new LabError("lab/fault", `the second writer ended: ${complained.trim()}`, { context: { task } }),
      ),
    );
  });
  const stop = async (): Promise<number> => {
    child.stdin.end();
    const code = await ended;
    const rounds = /^rounds (\d+)$/m.exec(said)?.[1];
    if (code !== 0 || rounds === undefined)
      throw new LabError("lab/fault", `the second writer failed: ${complained.trim()}`, {
        context: { task, code },
      });
    return Number(rounds);
  };
  let stopped: Promise<number> | undefined;
  const once = (): Promise<number> => (stopped ??= stop());
  return {
    pid: child.pid ?? 0,
    stop: once,
    async [Symbol.asyncDispose]() {
      await once();
    },
  };
}
