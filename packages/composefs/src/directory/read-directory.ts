// From a directory of the host to the tree of an image: one thread looks at the names, workers read the files.

import { fromHex, throwIfAborted, utf8 } from "@bootc-store/core";
import type { ImageDirectory } from "@bootc-store/erofs";
import { createPool, type Dir, type Pool, type VerityAlgorithm } from "@bootc-store/linux";

import { scanBelow, type ScannedFile, type ScanOptions, scanTop } from "./scan.ts";
import { type MeasureInput, measureFiles, type MeasureOutput, NOTHING, type Placed } from "./tasks.ts";

export interface ReadDirectoryOptions extends ScanOptions {
  readonly pool: Pool;
  /** Of the fs-verity digests. */
  readonly algorithm: VerityAlgorithm;
  /** Files of at most so many bytes are in the image; 64 for format 0 and 1. */
  readonly inlineMax?: number;
  /**
   * Gives the store that the content of the other files is put into, `XX/…` by digest. Called when the names are known, so
   * that a store inside of the directory is not taken for a part of it.
   */
  readonly store?: () => Dir;
  /** Whether each file of the store must have fs-verity, as in a secure repository. Default: where it can be had. */
  readonly requireVerity?: boolean;
}

export interface ReadDirectory {
  readonly root: ImageDirectory;
  /** How content came into the store. */
  readonly placed: Placed;
}

/** A worker's portion: large enough that handing it over costs nothing, small enough to keep all of them busy. */
const BATCH_FILES = 192;
const BATCH_BYTES = 32 << 20;
/** Less than this is read here before a thread has started. */
const FEW_BYTES = 4 << 20;

interface Batch {
  readonly files: ScannedFile[];
  bytes: number;
}

/**
 * The tree of a directory, with the digests of its files. In memory are the names and what is known of the inodes; of contents
 * one piece a worker. Throws the errors of the file system, `composefs/source-changed` and `composefs/attributes-too-large`.
 */
export async function readDirectory(dir: Dir, options: ReadDirectoryOptions): Promise<ReadDirectory> {
  const { pool, algorithm, signal } = options;
  const inlineMax = options.inlineMax ?? 64;
  const root = scanTop(dir, options);
  const scanned = batchesOf(scanBelow(dir, root, options));
  const first = scanned.next();
  if (first.done === true) return { root, placed: NOTHING };
  const all = prepend(first.value, scanned);
  // With a store all names are looked at first, and so they are where there is no second batch.
  const early = options.store === undefined ? undefined : [...all];
  const store =
    early?.some(({ files }) => files.some(({ size }) => size > inlineMax)) === true
      ? options.store?.()
      : undefined;
  const small =
    early === undefined
      ? isLast(first.value) && first.value.bytes < FEW_BYTES
      : early.length === 1 && (early[0]?.bytes ?? 0) < FEW_BYTES;
  await using here = small ? createPool({ size: 0 }) : undefined;
  let placed = NOTHING;
  const sent: Batch[] = [];
  const inputs = function* (): Generator<MeasureInput> {
    for (const batch of early ?? all) {
      sent.push(batch);
      yield {
        dir: dir.fd,
        paths: batch.files.map(({ path }) => path),
        sizes: batch.files.map(({ size }) => size),
        algorithm,
        inlineMax,
        ...(store === undefined ? {} : { store: store.fd, requireVerity: options.requireVerity === true }),
      };
    }
  };
  for await (const output of (here ?? pool).map(
    measureFiles,
    inputs(),
    signal === undefined ? {} : { signal },
  )) {
    throwIfAborted(signal);
    const batch = sent.shift();
    if (batch === undefined) throw new RangeError("a worker gave back more than it was given");
    fill(batch, output);
    placed = add(placed, output.placed);
  }
  // The names too are on the disk before anything refers to them.
  if (placed.cloned + placed.copied > 0) store?.syncFileSystem();
  return { root, placed };
}

function fill({ files }: Batch, { found }: MeasureOutput): void {
  for (const [at, { node }] of files.entries()) {
    const what = found[at];
    if (what === undefined) throw new RangeError("a worker gave back less than it was given");
    if (typeof what !== "string") node.content = what;
    else {
      const payload = utf8(`${what.slice(0, 2)}/${what.slice(2)}`);
      node.external = { payload, digest: fromHex(what) };
    }
  }
}

function isLast({ files, bytes }: Batch): boolean {
  return files.length < BATCH_FILES && bytes < BATCH_BYTES;
}

function* batchesOf(files: Iterable<ScannedFile>): Generator<Batch> {
  let batch: Batch = { files: [], bytes: 0 };
  for (const file of files) {
    batch.files.push(file);
    batch.bytes += file.size;
    if (isLast(batch)) continue;
    yield batch;
    batch = { files: [], bytes: 0 };
  }
  if (batch.files.length > 0) yield batch;
}

function* prepend<T>(first: T, rest: Iterable<T>): Generator<T> {
  yield first;
  yield* rest;
}

function add(a: Placed, b: Placed): Placed {
  return {
    reused: a.reused + b.reused,
    cloned: a.cloned + b.cloned,
    copied: a.copied + b.copied,
    copiedBytes: a.copiedBytes + b.copiedBytes,
  };
}
