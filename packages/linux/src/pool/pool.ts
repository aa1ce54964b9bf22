import { availableParallelism } from "node:os";
import { cancelled, Lifetime, whenAborted } from "@bootc-store/core";
import { runInline } from "./inline.ts";
import type { Task } from "./task.ts";
import { PoolWorker } from "./pool-worker.ts";

export interface PoolOptions {
  /** Worker threads at most; 0 runs everything on the calling thread. Default: as many as the machine has cores. */
  readonly size?: number;
  /** Memory of a worker's heap in MiB, beyond which it ends with `linux/worker-died`. Default: Node's own. */
  readonly maxHeapMb?: number;
}

export interface RunOptions {
  /** Takes a task that waits out of the queue, and tells one that runs, whose end is then waited for. */
  readonly signal?: AbortSignal;
  /** Buffers of the input that are handed over instead of copied. */
  readonly transfer?: readonly ArrayBuffer[];
}

export interface MapOptions {
  readonly signal?: AbortSignal;
  /** Inputs that are taken in advance, beyond those that are being worked on. Default: as many as there are workers. */
  readonly ahead?: number;
}

/**
 * Worker threads for bulk work. Threads start when the first task needs them; idle ones do not keep the process alive.
 * A worker that dies (an uncaught error, `process.exit`, no memory) fails the task it had with `linux/worker-died` and is
 * replaced.
 */
export interface Pool extends AsyncDisposable {
  readonly size: number;
  /** Runs one task and gives its output. Errors of ours keep their class, code and context. */
  run<I, O>(task: Task<I, O>, input: I, options?: RunOptions): Promise<O>;
  /**
   * Runs a task on each input and gives the outputs in the order of the inputs, taking inputs only as fast as they are
   * worked on. The first failure, in that order, ends it; what still runs is told to stop and waited for.
   */
  map<I, O>(
    task: Task<I, O>,
    inputs: Iterable<I> | AsyncIterable<I>,
    options?: MapOptions,
  ): AsyncGenerator<O, void, void>;
  /** Ends the threads that have nothing to do, for the sake of their memory. New ones start when a task needs them. */
  rest(): Promise<void>;
}

interface Job {
  readonly start: (worker: PoolWorker) => void;
}

export function createPool(options: PoolOptions = {}): Pool {
  return new WorkerPool(options);
}

class WorkerPool implements Pool {
  readonly size: number;
  readonly #heap: number | undefined;
  readonly #lifetime = new Lifetime("pool");
  readonly #idle: PoolWorker[] = [];
  readonly #all = new Set<PoolWorker>();
  readonly #queue: Job[] = [];
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(options: PoolOptions) {
    this.size = options.size ?? availableParallelism();
    this.#heap = options.maxHeapMb;
  }

  async run<I, O>(task: Task<I, O>, input: I, options: RunOptions = {}): Promise<O> {
    this.#lifetime.assertOpen();
    const { signal, transfer = [] } = options;
    if (signal?.aborted === true) throw cancelled(signal);
    const signals = signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal];
    const running =
      this.size === 0
        ? runInline(task, input, signals, transfer)
        : this.#schedule(task, input, signals, transfer);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #schedule<I, O>(
    task: Task<I, O>,
    input: I,
    signals: readonly AbortSignal[],
    transfer: readonly ArrayBuffer[],
  ): Promise<O> {
    return new Promise<O>((resolve, reject) => {
      const start = (worker: PoolWorker): void => {
        for (const watch of waiting) watch[Symbol.dispose]();
        worker
          .run(task, input, signals, transfer)
          .then(resolve, reject)
          .finally(() => this.#release(worker));
      };
      const job: Job = { start };
      const waiting: Disposable[] = [];
      this.#queue.push(job);
      this.#dispatch();
      if (this.#queue.at(-1) !== job) return;
      for (const signal of signals) {
        waiting.push(
          whenAborted(signal, () => {
            const at = this.#queue.indexOf(job);
            if (at < 0) return;
            this.#queue.splice(at, 1);
            reject(cancelled(signal));
          }),
        );
      }
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      let worker = this.#idle.pop();
      if (worker?.dead === true) {
        // It died of something left over after its task.
        this.#all.delete(worker);
        continue;
      }
      if (worker === undefined) {
        if (this.#all.size >= this.size) return;
        worker = new PoolWorker(this.#heap);
        this.#all.add(worker);
      }
      this.#queue.shift()?.start(worker);
    }
  }

  #release(worker: PoolWorker): void {
    if (worker.dead) this.#all.delete(worker);
    else this.#idle.push(worker);
    this.#dispatch();
  }

  async *map<I, O>(
    task: Task<I, O>,
    inputs: Iterable<I> | AsyncIterable<I>,
    options: MapOptions = {},
  ): AsyncGenerator<O, void, void> {
    const stop = new AbortController();
    const signal =
      options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
    const window = Math.max(1, this.size + (options.ahead ?? this.size));
    const pending: Promise<O>[] = [];
    const take = (): Promise<O> => pending.shift() as Promise<O>;
    try {
      for await (const input of inputs) {
        const output = this.run(task, input, { signal });
        // Whoever takes it gets the error; until then it must not count as unhandled.
        output.catch(() => {});
        pending.push(output);
        if (pending.length >= window) yield await take();
      }
      while (pending.length > 0) yield await take();
    } finally {
      stop.abort();
      await Promise.allSettled(pending);
    }
  }

  async rest(): Promise<void> {
    const idle = this.#idle.splice(0);
    for (const worker of idle) this.#all.delete(worker);
    await Promise.all(idle.map((worker) => worker.terminate()));
  }

  /** Takes what waits out of the queue, tells what runs to stop, waits for it, and ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#lifetime.end()) return;
    this.#closing.abort();
    await Promise.allSettled(this.#running);
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
    this.#all.clear();
    this.#idle.length = 0;
  }
}
