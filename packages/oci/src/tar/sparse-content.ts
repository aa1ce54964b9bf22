// The content of a sparse file as its reader sees it: the stored pieces at their places, zeros between them.

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import type { SparsePiece, TarEntry } from "./entry.ts";
import { BLOCK } from "./header.ts";
import { TAR_LIMITS, type TarLimits } from "./limits.ts";
import type { SegmentContent } from "./segments.ts";
import { checkPieces } from "./sparse.ts";

const ZEROS = new Uint8Array(1 << 16);

/**
 * The content of an entry's file. Of a sparse one it is read with its holes as zeros; of any other it is the stored
 * content itself. Throws `oci/tar-sparse-invalid`, `oci/tar-limit`.
 */
export function fileContent<D>(
  entry: TarEntry,
  stored: SegmentContent<D> | undefined,
  limits: TarLimits = TAR_LIMITS,
): SegmentContent<D> | undefined {
  if (entry.sparse === undefined) return stored;
  if (entry.size > limits.expanded) {
    throw ociErrors.error(
      "tar-limit",
      `a sparse file of ${entry.size} bytes, ${limits.expanded} are allowed`,
    );
  }
  return {
    size: entry.size,
    read: () => expand(entry, stored?.read() ?? nothing(), limits),
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* expand(
  entry: TarEntry,
  stored: AsyncIterable<Uint8Array>,
  limits: TarLimits,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(stored[Symbol.asyncIterator]());
  try {
    const inContent = entry.type !== "sparse" && entry.sparse?.length === 0 && entry.storedSize > 0;
    const pieces = inContent ? await readMap(reader, entry, limits) : (entry.sparse ?? []);
    let at = 0;
    for (const piece of pieces) {
      yield* zeros(piece.offset - at);
      yield* reader.take(piece.size);
      at = piece.offset + piece.size;
    }
    yield* zeros(entry.size - at);
    await reader.expectEnd();
  } finally {
    await reader.close();
  }
}

function* zeros(size: number): Generator<Uint8Array> {
  for (let left = size; left > 0; left -= ZEROS.length) {
    yield left >= ZEROS.length ? ZEROS : ZEROS.subarray(0, left);
  }
}

/** The map at the beginning of the content of form 1.0: decimal lines, padded to a block. */
async function readMap(reader: ByteReader, entry: TarEntry, limits: TarLimits): Promise<SparsePiece[]> {
  let read = 0;
  let text = "";
  const number = async (): Promise<number> => {
    for (;;) {
      const newline = text.indexOf("\n");
      if (newline >= 0) {
        const line = text.slice(0, newline);
        text = text.slice(newline + 1);
        const value = Number(line);
        if (!/^[0-9]{1,16}$/.test(line) || !Number.isSafeInteger(value))
          throw invalid("a line of the map is no number");
        return value;
      }
      if (text.length > 64) throw invalid("a line of the map is too long");
      if (read >= entry.storedSize) throw invalid("the map does not end");
      const block = await collect(reader.take(BLOCK), BLOCK, "map of a sparse file");
      read += block.length;
      text += Buffer.from(block).toString("latin1");
    }
  };
  const count = await number();
  if (count > limits.sparse) throw ociErrors.error("tar-limit", `a sparse file of ${count} pieces`);
  const pieces: SparsePiece[] = [];
  for (let index = 0; index < count; index++) pieces.push({ offset: await number(), size: await number() });
  checkPieces(pieces, entry.size, entry.storedSize - read, limits.sparse);
  return pieces;
}

/** Takes bytes of a stream by number. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.#chunks = chunks;
  }

  async *take(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0;) {
      if (this.#chunk.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done === true) throw invalid("the stored bytes end too early");
        this.#chunk = value;
        continue;
      }
      const part = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  async expectEnd(): Promise<void> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return;
      this.#chunk = value;
    }
    throw invalid("more is stored than the map says");
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function invalid(problem: string): Error {
  return ociErrors.error("tar-sparse-invalid", `sparse file: ${problem}`);
}
