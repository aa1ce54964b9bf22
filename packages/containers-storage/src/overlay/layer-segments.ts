// A layer as the exact bytes of its tar: the segments of its tar-split, and the contents of its files.

import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";

import type { LayerSegment } from "@bootc-store/backend";
import { type ByteString, displayName, isStoreError, throwIfAborted } from "@bootc-store/core";
import type { Dir, File } from "@bootc-store/linux";

import { containersStorageErrors } from "../errors.ts";
import { Crc64 } from "../format/crc64.ts";
import { cleanPath, parseTarSplit } from "../format/tar-split.ts";

const CHUNK = 1 << 20;
const IN_ROOT = { resolution: "inRoot" } as const;

/**
 * The segments of a layer. Contents are read from `diff`, and their checksums compared with the tar-split's: a file
 * that is missing or was changed is `containers-storage/layer-content-mismatch`.
 * @param split the compressed tar-split, open for reading from its beginning
 * @param diff must stay open as long as a segment's content is used
 */
export async function* layerSegments(
  split: File,
  diff: Dir,
  signal?: AbortSignal,
): AsyncGenerator<LayerSegment> {
  using sizes = new Sizes(diff);
  for await (const record of parseTarSplit(gunzipped(split, signal))) {
    throwIfAborted(signal);
    if (record.type === "segment") {
      yield { kind: "inline", bytes: record.bytes };
    } else if (record.crc64 !== undefined) {
      const path = cleanPath(record.name);
      yield { kind: "content", content: contentOf(diff, path, record.size, record.crc64, sizes.of(path)) };
    }
  }
}

function contentOf(
  diff: Dir,
  path: ByteString,
  size: number,
  crc64: Uint8Array,
  found: number | undefined,
): Extract<LayerSegment, { kind: "content" }>["content"] {
  return {
    size,
    // With a link on the way it can be read, as in a chroot, but there is no plain place to name.
    ...(found === size ? { file: { dir: diff, name: path } } : {}),
    async *read() {
      using file = openContent(diff, path);
      if (file === undefined) throw mismatch(path, "it is missing");
      const crc = new Crc64();
      let read = 0;
      for (;;) {
        const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, Math.max(1, size - read + 1)));
        const count = file.readFull(buffer, read);
        const chunk = buffer.subarray(0, Math.min(count, size - read));
        crc.update(chunk);
        read += count;
        if (read > size) throw mismatch(path, `it has more than ${size} bytes`);
        const atEnd = count < buffer.length || read === size;
        if (read === size && !crc.digest().equals(crc64)) throw mismatch(path, "its checksum is another one");
        if (chunk.length > 0) yield chunk;
        if (atEnd) break;
      }
      if (read !== size) throw mismatch(path, `it has ${read} of ${size} bytes`);
    },
  };
}

/** Sizes of regular files that are reached without following a link. The directory of the last one stays open for the next. */
class Sizes implements Disposable {
  readonly #diff: Dir;
  #parentPath = "";
  #parent: Dir | undefined;

  constructor(diff: Dir) {
    this.#diff = diff;
  }

  of(path: ByteString): number | undefined {
    try {
      const slash = path.lastIndexOf("/");
      const parent = slash < 0 ? this.#diff : this.#open(path.slice(0, slash) as ByteString);
      const found = parent?.statOptional(path.slice(slash + 1) as ByteString);
      return found?.type === "regular" ? found.size : undefined;
    } catch (error) {
      if (isStoreError(error, "linux/path-symlink", "linux/not-a-directory")) return undefined;
      throw error;
    }
  }

  #open(path: ByteString): Dir | undefined {
    if (this.#parent !== undefined && this.#parentPath === path) return this.#parent;
    this.#parent?.[Symbol.dispose]();
    this.#parent = undefined;
    this.#parent = this.#diff.openDirOptional(path);
    this.#parentPath = path;
    return this.#parent;
  }

  [Symbol.dispose](): void {
    this.#parent?.[Symbol.dispose]();
  }
}

function openContent(diff: Dir, path: ByteString): File | undefined {
  try {
    return diff.openFileOptional(path, IN_ROOT);
  } catch (error) {
    if (isStoreError(error, "linux/not-a-file", "linux/is-a-directory", "linux/not-a-directory"))
      return undefined;
    throw error;
  }
}

function mismatch(path: ByteString, problem: string): Error {
  return containersStorageErrors.error("layer-content-mismatch", `"${displayName(path)}": ${problem}`, {
    context: { path },
  });
}

/** The decompressed bytes of a gzip file of any number of members. */
async function* gunzipped(file: File, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  // A failure of either ends the other, and comes out of the loop below.
  pipeline(Readable.from(chunksOf(file, signal)), gunzip, () => {});
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (cause) {
    if (isStoreError(cause)) throw cause;
    throw containersStorageErrors.error("tar-split-invalid", `${file.label}: not gzip`, { cause });
  }
}

function* chunksOf(file: File, signal: AbortSignal | undefined): Generator<Buffer> {
  for (let offset = 0; ;) {
    throwIfAborted(signal);
    const buffer = Buffer.allocUnsafeSlow(64 << 10);
    const count = file.readFull(buffer, offset);
    offset += count;
    if (count > 0) yield buffer.subarray(0, count);
    if (count < buffer.length) return;
  }
}
