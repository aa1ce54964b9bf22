import { spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import { LabError } from "./errors.ts";

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]];

export interface RunOptions {
  /** Bytes for standard input; without it the program reads end of file at once. */
  input?: Uint8Array | string;
  cwd?: string;
  /** Added to the environment; a value of undefined takes a variable away. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds until the program is killed and the call throws `lab/timed-out`; 120 000 unless given. */
  timeout?: number;
  /** Most bytes of either output kept; more throws `lab/output-too-large`. 256 MiB unless given. */
  maxOutput?: number;
  /** Ends the program when it fires. */
  signal?: AbortSignal;
}

export interface RunResult {
  command: Command;
  /** Exit code; 128 + signal number when a signal ended it, as a shell tells. */
  code: number;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: Buffer;
  /** Standard output as UTF-8 text. */
  text: string;
  /** Standard error as UTF-8 text. */
  errorText: string;
  /** Wall clock, milliseconds. */
  ms: number;
}

export const DEFAULT_TIMEOUT = 120_000;
const DEFAULT_MAX_OUTPUT = 256 * 1024 * 1024;

export function quoted(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}

function environment(options: RunOptions, base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const merged: NodeJS.ProcessEnv = { ...base, ...options.env };
  for (const [key, value] of Object.entries(merged)) if (value === undefined) delete merged[key];
  return merged;
}

function result(
  command: Command,
  status: number | null,
  signal: NodeJS.Signals | null,
  stdout: Buffer,
  stderr: Buffer,
  started: number,
): RunResult {
  return {
    command,
    code: status ?? 128 + (signal ? constants.signals[signal] : 0),
    signal,
    stdout,
    stderr,
    get text() {
      return stdout.toString("utf8");
    },
    get errorText() {
      return stderr.toString("utf8");
    },
    ms: performance.now() - started,
  };
}

function startFailure(command: Command, cause: NodeJS.ErrnoException, cwd: string | undefined): LabError {
  return new LabError("lab/missing-program", `cannot start ${command[0]}: ${cause.message}`, {
    context: { command, cwd },
    cause,
  });
}

const timedOut = (command: Command, timeout: number, stderr: Buffer): LabError =>
  new LabError("lab/timed-out", `no end after ${timeout} ms: ${quoted(command)}`, {
    context: { command, timeout, stderr: stderr.toString("utf8").slice(-2000) },
  });

const tooLarge = (command: Command, limit: number): LabError =>
  new LabError("lab/output-too-large", `more than ${limit} bytes of output: ${quoted(command)}`, {
    context: { command, limit },
  });

/**
 * Runs a program to its end, in a process group of its own so that what it started ends with it on a timeout.
 * Any exit code is a result; only a program that cannot start, never ends or floods its output throws.
 */
export async function run(
  command: Command,
  options: RunOptions = {},
  base: NodeJS.ProcessEnv = process.env,
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const started = performance.now();
  const timeout = options.timeout ?? DEFAULT_TIMEOUT;
  const limit = options.maxOutput ?? DEFAULT_MAX_OUTPUT;
  return await new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: environment(options, base),
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      detached: true,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let failure: Error | undefined;
    const kill = (reason: Error): void => {
      failure ??= reason;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
    const timer = setTimeout(() => kill(timedOut(command, timeout, Buffer.concat(err))), timeout);
    const onAbort = (): void => kill(options.signal?.reason as Error);
    options.signal?.addEventListener("abort", onAbort);
    const collect = (into: Buffer[]): ((chunk: Buffer) => void) => {
      let size = 0;
      return (chunk) => {
        size += chunk.length;
        if (size > limit) kill(tooLarge(command, limit));
        else into.push(chunk);
      };
    };
    child.stdout?.on("data", collect(out));
    child.stderr?.on("data", collect(err));
    // A program that ends before it has read all its input is a program that did not want it.
    child.stdin?.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") failure ??= error;
    });
    child.stdin?.end(options.input);
    const finish = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      finish();
      reject(startFailure(command, error, options.cwd));
    });
    child.on("close", (status, signal) => {
      finish();
      if (failure) reject(failure);
      else resolve(result(command, status, signal, Buffer.concat(out), Buffer.concat(err), started));
    });
  });
}

/** As {@link run}, waiting in place. Only the program itself is killed on a timeout, not what it started. */
export function runSync(
  command: Command,
  options: Omit<RunOptions, "signal"> = {},
  base: NodeJS.ProcessEnv = process.env,
): RunResult {
  const started = performance.now();
  const timeout = options.timeout ?? DEFAULT_TIMEOUT;
  const limit = options.maxOutput ?? DEFAULT_MAX_OUTPUT;
  const child = spawnSync(command[0], command.slice(1), {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: environment(options, base),
    input: options.input ?? "",
    timeout,
    maxBuffer: limit,
    killSignal: "SIGKILL",
  });
  const error: NodeJS.ErrnoException | undefined = child.error;
  if (error?.code === "ETIMEDOUT") throw timedOut(command, timeout, child.stderr);
  if (error?.code === "ENOBUFS") throw tooLarge(command, limit);
  if (error && error.code !== "EPIPE") throw startFailure(command, error, options.cwd);
  return result(command, child.status, child.signal, child.stdout, child.stderr, started);
}

function refuse(done: RunResult): RunResult {
  if (done.code === 0) return done;
  const said = done.errorText.trim() || done.text.trim();
  throw new LabError(
    "lab/command-failed",
    `exit code ${done.code} of ${quoted(done.command)}${said ? `: ${said.slice(-4000)}` : ""}`,
    { context: { command: done.command, code: done.code, signal: done.signal } },
  );
}

/** As {@link run}; any exit code but 0 throws `lab/command-failed` with what the program said. */
export async function succeed(
  command: Command,
  options: RunOptions = {},
  base: NodeJS.ProcessEnv = process.env,
): Promise<RunResult> {
  return refuse(await run(command, options, base));
}

/** As {@link runSync}; any exit code but 0 throws `lab/command-failed`. */
export function succeedSync(
  command: Command,
  options: Omit<RunOptions, "signal"> = {},
  base: NodeJS.ProcessEnv = process.env,
): RunResult {
  return refuse(runSync(command, options, base));
}
