import { Worker } from "node:worker_threads";
import { cancelled, whenAborted } from "@bootc-store/core";
import { linuxErrors } from "../errors.ts";
import { decodeError, type ReplyMessage, type RunMessage, type WorkerSetup } from "./messages.ts";
import type { Task } from "./task.ts";

interface Current {
  readonly name: string;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * MiB for what is young in a worker's heap. Tasks make small short-lived values; with Node's own size, several times as much, each
 * worker would hold some dozen MB of them that nobody needs, and collect no faster.
 */
const YOUNG_MB = 6;

/** One worker thread, which runs one task at a time. */
export class PoolWorker {
  readonly #worker: Worker;
  readonly #cancel = new Int32Array(new SharedArrayBuffer(4));
  #current: Current | undefined;
  #dead = false;
  #cause: unknown;

  constructor(heapMb: number | undefined) {
    this.#worker = new Worker(programUrl(), {
      execArgv: workerFlags(),
      workerData: { cancel: this.#cancel } satisfies WorkerSetup,
      // Descriptors belong to the process and are closed by whoever owns them, not by the end of a thread.
      trackUnmanagedFds: false,
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_MB,
        ...(heapMb === undefined ? {} : { maxOldGenerationSizeMb: heapMb }),
      },
    });
    this.#worker.unref();
    this.#worker.on("message", (reply: ReplyMessage) => this.#settle(reply));
    this.#worker.on("messageerror", (error) => this.#die(error));
    this.#worker.on("error", (error) => {
      this.#cause = error;
    });
    this.#worker.on("exit", (code) => this.#die(this.#cause, code));
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Any of the signals tells the task to stop; its end is waited for all the same. */
  async run<I, O>(
    task: Task<I, O>,
    input: I,
    signals: readonly AbortSignal[],
    transfer: readonly ArrayBuffer[],
  ): Promise<O> {
    Atomics.store(this.#cancel, 0, 0);
    const message: RunMessage = { type: "run", module: task.module, name: task.name, input };
    const ended = new Promise<unknown>((resolve, reject) => {
      this.#current = { name: task.name, resolve, reject };
    });
    try {
      this.#worker.postMessage(message, [...transfer]);
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
    const watches = signals.map((signal) => whenAborted(signal, () => Atomics.store(this.#cancel, 0, 1)));
    // While a task runs the process must not end; while none does it may.
    this.#worker.ref();
    try {
      const output = (await ended) as O;
      // A task that did not look at the signal has done its work, but nobody wants it any more.
      for (const signal of signals) if (signal.aborted) throw cancelled(signal);
      return output;
    } finally {
      this.#worker.unref();
      for (const watch of watches) watch[Symbol.dispose]();
    }
  }

  #settle(reply: ReplyMessage): void {
    const current = this.#current;
    this.#current = undefined;
    if (reply.type === "done") current?.resolve(reply.output);
    else current?.reject(decodeError(reply.error));
  }

  #die(cause: unknown, code?: number): void {
    this.#dead = true;
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    const why = cause instanceof Error ? cause.message : `exit code ${code}`;
    current.reject(
      linuxErrors.error("worker-died", `a worker ended while it ran ${current.name}: ${why}`, {
        cause,
        context: { task: current.name, ...(code === undefined ? {} : { exitCode: code }) },
      }),
    );
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** The program beside this module: a source while this is one, else what it was compiled to. */
function programUrl(): URL {
  return new URL(runsFromSource() ? "./worker.ts" : "./worker.js", import.meta.url);
}

function runsFromSource(): boolean {
  return import.meta.url.endsWith(".ts");
}

/**
 * A worker resolves packages as this process does. Other flags of the process are left out, since many cannot be given
 * to a thread; those that a thread shares anyhow hold for it too.
 */
function workerFlags(): string[] {
  const flags: string[] = [];
  for (const [index, flag] of process.execArgv.entries()) {
    if (flag.startsWith("--conditions=")) flags.push(flag);
    else if (flag === "--conditions" || flag === "-C")
      flags.push(`--conditions=${process.execArgv[index + 1] ?? ""}`);
  }
  const source = "--conditions=@bootc-store/source";
  if (runsFromSource() && !flags.includes(source)) flags.push(source);
  return flags;
}
