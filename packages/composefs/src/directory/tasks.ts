// What a worker does with the files of a directory: digests, and where wanted content for a store of objects.

import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import {
  type CancelSignal,
  cloneFile,
  copyContent,
  defineTask,
  Dir,
  enableVerity,
  type File,
  type FileStat,
  hashBytes,
  hashFile,
  type TempFile,
  throwIfCancelled,
  type VerityAlgorithm,
  verifyMeasuredVerity,
} from "@bootc-store/linux";

import { composefsErrors } from "../errors.ts";

export interface MeasureInput {
  /** Descriptor of the directory that the paths are below. */
  readonly dir: number;
  readonly paths: readonly ByteString[];
  /** As they were when the directory was scanned, bytes. */
  readonly sizes: readonly number[];
  readonly algorithm: VerityAlgorithm;
  /** Files of at most so many bytes are given back whole. */
  readonly inlineMax: number;
  /** Descriptor of the store that gets the other ones: `XX/…` by digest. */
  readonly store?: number;
  /** Whether what is in the store must have fs-verity. */
  readonly requireVerity?: boolean;
}

export interface MeasureOutput {
  /** Of each file its digest, hexadecimal, or its bytes if it is that small. */
  readonly found: readonly (string | Uint8Array)[];
  readonly placed: Placed;
}

/** How many files came to a store in which way. */
export interface Placed {
  readonly reused: number;
  readonly cloned: number;
  readonly copied: number;
  /** Bytes that were copied. */
  readonly copiedBytes: number;
}

/**
 * Measures a batch. A file that is not what the scan saw, or that changes while it is read, ends it with
 * `composefs/source-changed`: an image must not have the size of one content and the digest of another.
 */
export const measureFiles = defineTask(
  import.meta.url,
  "measureFiles",
  (input: MeasureInput, { signal }): MeasureOutput => {
    const dir = Dir.borrow(input.dir);
    const found: (string | Uint8Array)[] = [];
    using writer =
      input.store === undefined
        ? undefined
        : new StoreWriter(Dir.borrow(input.store), input.algorithm, input.requireVerity === true);
    for (const [at, path] of input.paths.entries()) {
      throwIfCancelled(signal);
      const size = input.sizes[at] ?? 0;
      using file = dir.openFile(path);
      if (size <= input.inlineMax) {
        found.push(readSmall(file, size).slice());
        continue;
      }
      if (writer?.clones === false && size <= SMALL) {
        const bytes = readSmall(file, size);
        const { verity } = hashBytes(bytes, { verity: { verity: { algorithm: input.algorithm } } });
        found.push(verity);
        writer.addBytes(bytes, verity);
        continue;
      }
      const before = writer === undefined ? undefined : file.stat();
      const { size: read, digests } = hashFile(
        file,
        { verity: { verity: { algorithm: input.algorithm } } },
        signal,
      );
      if (read !== size) throw changed(file);
      found.push(digests.verity);
      if (writer !== undefined && before !== undefined) writer.add(file, before, digests.verity, signal);
    }
    writer?.publish();
    return { found, placed: writer?.placed ?? NOTHING };
  },
);

export const NOTHING: Placed = Object.freeze({ reused: 0, cloned: 0, copied: 0, copiedBytes: 0 });

/** Files of at most so many bytes are read once, measured and written from memory. */
const SMALL = 1 << 18;
let room: Uint8Array | undefined;

/** The bytes are good until the next call. */
function readSmall(file: File, size: number): Uint8Array {
  const into =
    size > SMALL ? new Uint8Array(size + 1) : (room ??= new Uint8Array(SMALL + 1)).subarray(0, size + 1);
  if (file.readFull(into, 0) !== size) throw changed(file);
  return into.subarray(0, size);
}

function changed(file: File): Error {
  return composefsErrors.error("source-changed", `${file.label}: the file changed while it was read`, {
    context: { path: file.label },
  });
}

/**
 * Content on its way into a store. A batch of files is filled without names, then synced at once, and only then do they
 * get their names: whoever finds a name, after a crash too, finds the whole content.
 */
class StoreWriter implements Disposable {
  readonly #store: Dir;
  readonly #algorithm: VerityAlgorithm;
  readonly #waiting = new Map<string, TempFile>();
  readonly #shards = new Map<string, Dir>();
  #clones = true;
  #reused = 0;
  #cloned = 0;
  #copied = 0;
  #copiedBytes = 0;

  readonly #requireVerity: boolean;

  constructor(store: Dir, algorithm: VerityAlgorithm, requireVerity: boolean) {
    this.#requireVerity = requireVerity;
    this.#store = store;
    this.#algorithm = algorithm;
  }

  get placed(): Placed {
    return {
      reused: this.#reused,
      cloned: this.#cloned,
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
    };
  }

  /** False once a file could not be cloned into the store. */
  get clones(): boolean {
    return this.#clones;
  }

  addBytes(bytes: Uint8Array, digest: string): void {
    const temporary = this.#begin(digest);
    if (temporary === undefined) return;
    temporary.file.write(bytes);
    temporary.file.setMode(0o644);
    this.#copied++;
    this.#copiedBytes += bytes.length;
  }

  /** A file for an object that is not there yet. */
  #begin(digest: string): TempFile | undefined {
    const path = utf8(`${digest.slice(0, 2)}/${digest.slice(2)}`);
    if (this.#waiting.has(digest) || this.#isThere(path, digest)) {
      this.#reused++;
      return undefined;
    }
    const temporary = this.#store.tempFile({ mode: 0o644 });
    this.#waiting.set(digest, temporary);
    return temporary;
  }

  /** What is there is believed, unless it must have fs-verity: then it is measured. */
  #isThere(path: ByteString, digest: string): boolean {
    if (!this.#requireVerity) return this.#store.statOptional(path) !== undefined;
    using file = this.#store.openFileOptional(path);
    if (file !== undefined) verifyMeasuredVerity(file, this.#algorithm, digest);
    return file !== undefined;
  }

  add(source: File, before: FileStat, digest: string, signal: CancelSignal): void {
    const temporary = this.#begin(digest);
    if (temporary === undefined) return;
    const cloned = this.#clones && cloneFile(source, temporary.file);
    this.#clones = cloned;
    if (cloned) this.#cloned++;
    else {
      copyContent(source, temporary.file, signal);
      this.#copied++;
      this.#copiedBytes += before.size;
    }
    // The digest is of what was read before; only a file that stayed as it was has the same content still.
    const after = source.stat();
    const same =
      after.size === before.size &&
      after.ctime.seconds === before.ctime.seconds &&
      after.ctime.nanoseconds === before.ctime.nanoseconds;
    if (!same) throw changed(source);
    temporary.file.setMode(0o644);
  }

  publish(): void {
    if (this.#waiting.size === 0) return;
    this.#store.syncFileSystem();
    let verity = true;
    for (const [digest, temporary] of this.#waiting) {
      if (verity) verity = this.#seal(temporary);
      const dir = this.#shard(digest.slice(0, 2));
      try {
        temporary.publish(utf8(digest.slice(2)), { existing: "fail", sync: "none" }, dir.fd, dir.label);
      } catch (error) {
        // Another worker or program was first.
        if (!isStoreError(error, "linux/exists")) throw error;
      }
    }
  }

  #shard(digits: string): Dir {
    const known = this.#shards.get(digits);
    if (known !== undefined) return known;
    let dir = this.#store.openDirOptional(utf8(digits));
    if (dir === undefined) {
      this.#store.ensureDir(utf8(digits), { mode: 0o755 });
      dir = this.#store.openDir(utf8(digits));
    }
    this.#shards.set(digits, dir);
    return dir;
  }

  /** Enables fs-verity, and says whether it is worth trying with the next one. */
  #seal(temporary: TempFile): boolean {
    try {
      enableVerity(temporary.closeForWriting(), { algorithm: this.#algorithm });
      return true;
    } catch (error) {
      if (this.#requireVerity) {
        throw composefsErrors.error("verity-required", "fs-verity could not be enabled on an object", {
          cause: error,
        });
      }
      if (isStoreError(error, "linux/call-unsupported")) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const temporary of this.#waiting.values()) temporary[Symbol.dispose]();
    this.#waiting.clear();
    for (const dir of this.#shards.values()) dir[Symbol.dispose]();
    this.#shards.clear();
  }
}
