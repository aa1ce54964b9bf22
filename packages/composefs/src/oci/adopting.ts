// Contents of a layer that are files, on their way into the store: put together to batches, which workers take over.

import type { AdoptOptions, CloneSource } from "@bootc-store/backend";
import type { Dir, Pool } from "@bootc-store/linux";

import { adoptFiles, type AdoptFilesOutput } from "../objects/adopt-task.ts";
import type { StoredObject } from "../objects/store.ts";
import type { Repository } from "../repository/repository.ts";

/** A batch: large enough that handing it over costs nothing, small enough that workers end together. */
const BATCH_FILES = 128;
const BATCH_BYTES = 16 << 20;

class Batch implements Disposable {
  /** Handles of our own, since a source may close its directory when it is asked for what comes next. */
  readonly #dirs = new Map<Dir, { readonly at: number; readonly dir: Dir }>();
  readonly files: (readonly [dir: number, name: CloneSource["name"], size: number])[] = [];
  bytes = 0;
  running: Promise<AdoptFilesOutput> | undefined;

  add({ dir, name }: CloneSource, size: number): void {
    let known = this.#dirs.get(dir);
    if (known === undefined) {
      known = { at: this.#dirs.size, dir: dir.duplicate() };
      this.#dirs.set(dir, known);
    }
    this.files.push([known.at, name, size]);
    this.bytes += size;
  }

  get isFull(): boolean {
    return this.files.length >= BATCH_FILES || this.bytes >= BATCH_BYTES;
  }

  get dirs(): number[] {
    return [...this.#dirs.values()].map(({ dir }) => dir.fd);
  }

  [Symbol.dispose](): void {
    for (const { dir } of this.#dirs.values()) dir[Symbol.dispose]();
    this.#dirs.clear();
  }
}

/** Files that become objects on a pool's workers. What was given first comes out first. */
export class AdoptingFiles implements AsyncDisposable {
  readonly #repository: Repository;
  readonly #pool: Pool;
  readonly #how: { readonly clone: NonNullable<AdoptOptions["clone"]>; readonly link: boolean };
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** In the order in which they were filled; the last one may still be. */
  readonly #batches: Batch[] = [];

  constructor(repository: Repository, pool: Pool, options: AdoptOptions) {
    this.#repository = repository;
    this.#pool = pool;
    this.#how = { clone: options.clone ?? "allow", link: options.link === true };
    const { signal } = options;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, signal]);
  }

  add(file: CloneSource, size: number): void {
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.running !== undefined) {
      batch = new Batch();
      this.#batches.push(batch);
    }
    batch.add(file, size);
    if (batch.isFull) void this.#start(batch);
  }

  /** Whether all workers have something to do, and something after that, so that results should be taken first. */
  get isBusy(): boolean {
    return this.#batches.length > Math.max(1, this.#pool.size) + AHEAD;
  }

  /** The objects of the batch that was filled first, in order; `undefined` if there is none. Throws what became of the task. */
  async next(): Promise<readonly StoredObject[] | undefined> {
    const batch = this.#batches[0];
    if (batch === undefined) return undefined;
    const { ids, how } = await (batch.running ?? this.#start(batch));
    this.#batches.shift();
    batch[Symbol.dispose]();
    return ids.map((id, at) => ({ id, how: how[at] ?? "copied" }));
  }

  #start(batch: Batch): Promise<AdoptFilesOutput> {
    const { dir, algorithm, objects } = this.#repository;
    batch.running = this.#pool.run(
      adoptFiles,
      {
        ...this.#how,
        repository: dir.fd,
        algorithm,
        verity: objects.verity,
        dirs: batch.dirs,
        files: batch.files,
      },
      { signal: this.#signal },
    );
    // Whoever takes it gets the error; until then it must not count as unhandled.
    batch.running.catch(() => undefined);
    return batch.running;
  }

  /** Tells what runs to stop, and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#batches.flatMap(({ running }) => running ?? []));
    for (const batch of this.#batches.splice(0)) batch[Symbol.dispose]();
  }
}

const AHEAD = 1;
