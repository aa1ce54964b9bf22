import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { LabError } from "./errors.ts";
import { requireProgram } from "./host.ts";

/** A lock held; it ends with this process at the latest, however that ends. */
export interface HeldLock extends AsyncDisposable {
  readonly path: string;
}

/**
 * Takes an exclusive `flock` on a file, which is made when absent.
 *
 * Node has no flock, so `flock(1)` holds it for us and waits at the end of a pipe: when this process goes, killed
 * or not, the pipe closes, the holder ends and the kernel lets go.
 */
export async function lock(path: string, options: { timeout?: number } = {}): Promise<HeldLock> {
  mkdirSync(dirname(path), { recursive: true });
  const timeout = options.timeout ?? 1_800_000;
  const program = requireProgram("flock", "util-linux");
  const seconds = String(Math.max(1, Math.ceil(timeout / 1000)));
  const child = spawn(program, ["-x", "-w", seconds, path, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "pipe"],
    // Away from the terminal's group, so that Ctrl-C does not let go of the lock before we do.
    detached: true,
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdin.on("error", () => {
    // The holder has ended; "close" tells.
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("error", reject);
    child.once("close", (code) =>
      reject(
        new LabError("lab/lock", `cannot lock ${path} within ${timeout} ms`, {
          context: { path, timeout, code, stderr: said },
        }),
      ),
    );
  });
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
