import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { type Command, run, type RunOptions, type RunResult } from "../exec.ts";
import { requireProgram } from "../host.ts";
import { type ChangingCall, changingCalls, shapes } from "./calls.ts";

export interface WatchOptions extends RunOptions {
  /** What to run: our program, or `peer.command(...)`. */
  command: Command;
  /** Which calls count; all that change a file system unless given. */
  calls?: readonly ChangingCall[];
  /** Only calls on this directory (absolute, symlinks resolved) and what lies below it count. */
  below?: string;
}

/** One counted call: an order over all threads and processes of the command. */
export interface TracedCall {
  /** From 1. */
  n: number;
  /** The thread that made it. */
  thread: number;
  call: ChangingCall;
  /** As the program named them, relative ones completed; bytes that are not UTF-8 are lost. */
  paths: readonly string[];
}

export interface Traced {
  result: RunResult;
  /** The calls that were counted, the one that was hit among them. */
  calls: readonly TracedCall[];
}

export interface KilledAt extends Traced {
  /** False when the command made fewer than n calls and so came to its end. */
  killed: boolean;
  /** The call before which it was killed: it was not carried out. */
  at: TracedCall | undefined;
}

export interface FailedAt extends Traced {
  /** The calls that were made to fail. */
  failed: readonly TracedCall[];
}

export type Errno = keyof typeof constants.errno;

interface Action {
  kind: "none" | "kill" | "fail";
  first: number;
  last: number;
  errno: number;
}

async function trace(options: WatchOptions, action: Action): Promise<Traced> {
  const perl = requireProgram("perl", "perl-base");
  const directory = mkdtempSync(join(tmpdir(), "lab-trace-"));
  try {
    const log = join(directory, "log");
    const { command, calls, below, ...rest } = options;
    const result = await run(
      [
        perl,
        fileURLToPath(new URL("./tracer.pl", import.meta.url)),
        log,
        below ?? "",
        String(action.first),
        String(action.last),
        action.kind,
        String(action.errno),
        shapes(calls ?? changingCalls),
        "--",
        ...command,
      ],
      rest,
    );
    if (/^tracer\.pl: /m.test(result.errorText) && result.code !== 0)
      throw new LabError("lab/fault", `the tracer failed: ${result.errorText.trim()}`, {
        context: { command },
      });
    return { result, calls: parseLog(readFileSync(log, "utf8")) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function parseLog(text: string): TracedCall[] {
  const plain = (word: string): string =>
    word.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [n, thread, call, ...paths] = line.split("\t");
      return { n: Number(n), thread: Number(thread), call: call as ChangingCall, paths: paths.map(plain) };
    });
}

/** Runs a command to its end and tells which calls it made that change a file system, in order. */
export const traceCalls = (options: WatchOptions): Promise<Traced> =>
  trace(options, { kind: "none", first: 0, last: 0, errno: 0 });

/**
 * Kills a command, with all its threads and processes, just before its n-th call that changes a file system. The count
 * goes over all threads, and the calls before the n-th are awaited, so every n from 1 to the number that {@link traceCalls} finds is one crash point of a program that
 * works in one order.
 */
export async function killAtSyscall(options: WatchOptions & { n: number }): Promise<KilledAt> {
  const { n, ...rest } = options;
  if (!Number.isInteger(n) || n < 1)
    throw new LabError("lab/bad-argument", `calls are counted from 1, not ${n}`, { context: { n } });
  const traced = await trace(rest, { kind: "kill", first: n, last: n, errno: 0 });
  const at = traced.calls.find((one) => one.n === n);
  return { ...traced, killed: at !== undefined, at };
}

/**
 * Makes the n-th of the named calls fail with an error, or, with `n: "every"`, each of them; it is not carried out.
 * x86-64 only.
 */
export async function failSyscall(
  options: Omit<WatchOptions, "calls"> & {
    call: ChangingCall | readonly ChangingCall[];
    errno: Errno;
    /** From 1, or all; 1 unless given. */
    n?: number | "every";
  },
): Promise<FailedAt> {
  const { call, errno, n = 1, ...rest } = options;
  if (n !== "every" && (!Number.isInteger(n) || n < 1))
    throw new LabError("lab/bad-argument", `calls are counted from 1, not ${n}`, { context: { n } });
  const [first, last] = n === "every" ? [1, Number.MAX_SAFE_INTEGER] : [n, n];
  const calls: readonly ChangingCall[] = typeof call === "string" ? [call] : call;
  const traced = await trace(
    { ...rest, calls },
    { kind: "fail", first, last, errno: constants.errno[errno] },
  );
  return { ...traced, failed: traced.calls.filter((one) => one.n >= first && one.n <= last) };
}

export interface CrashPointOptions extends Omit<WatchOptions, "command"> {
  /** Makes the starting state anew and gives the command; called once for each crash point. */
  prepare: (
    n: number,
  ) => Promise<{ command: Command; below?: string }> | { command: Command; below?: string };
  /** Looks at what was left. */
  check: (crash: KilledAt, n: number) => Promise<void> | void;
  /** Every how many calls to kill; 1 unless given. */
  step?: number;
  /** The first and the last call, counted from 1, for a long series in pieces; all unless given. */
  first?: number;
  last?: number;
  /** Give up with an error after so many crash points; 10 000 unless given. */
  limit?: number;
}

/** Kills a command at every of its calls in turn, each time from a fresh state; returns how many crash points there were. */
export async function eachCrashPoint(options: CrashPointOptions): Promise<number> {
  const { prepare, check, step = 1, limit = 10_000, first = 1, last = Infinity, ...rest } = options;
  let points = 0;
  for (let n = first; n <= last; n += step) {
    if (points >= limit)
      throw new LabError("lab/fault", `more than ${limit} crash points`, { hint: "raise limit, or step" });
    const prepared = await prepare(n);
    const crash = await killAtSyscall({ ...rest, ...prepared, n });
    if (!crash.killed) {
      if (crash.result.code !== 0)
        throw new LabError("lab/fault", `the command fails by itself: ${crash.result.errorText.trim()}`, {
          context: { command: prepared.command, code: crash.result.code },
        });
      return points;
    }
    points++;
    await check(crash, n);
  }
  return points;
}
