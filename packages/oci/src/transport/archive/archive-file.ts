// An archive that may be compressed, or come through a pipe: what cannot be looked up in place is first decompressed
// into a file without a name.

import { isStoreError } from "@bootc-store/core";
import type { Dir, File } from "@bootc-store/linux";

import { decompress, type DecompressOptions, sniffCompression } from "../../decompress/decompress.ts";
import { abortable, fileChunks } from "../chunks.ts";
import { TarIndex } from "./tar-index.ts";

export interface OpenArchiveOptions extends DecompressOptions {
  /** Where the decompressed archive is kept meanwhile. */
  readonly scratch: Dir;
  readonly signal?: AbortSignal;
}

/** Takes over the file. */
export async function openArchive(file: File, label: string, options: OpenArchiveOptions): Promise<TarIndex> {
  let plain: File;
  try {
    if (file.stat().type === "regular") {
      const head = Buffer.alloc(8);
      const count = file.readFull(head, 0);
      if (sniffCompression(head.subarray(0, count)) === "none") return TarIndex.open(file, label);
      plain = await spool(fileChunks(file), options);
    } else plain = await spool(pipeChunks(file), options);
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
  file[Symbol.dispose]();
  return TarIndex.open(plain, label);
}

async function spool(chunks: AsyncIterable<Uint8Array>, options: OpenArchiveOptions): Promise<File> {
  using temporary = options.scratch.tempFile();
  for await (const chunk of abortable(decompress(chunks, options), options.signal))
    temporary.file.write(chunk);
  return temporary.file.duplicate();
}

/** How long a pipe may have no writer before it counts as empty. */
const WRITER_MS = 30_000;

/** A pipe has no positions, and nothing in it yet may mean that its writer is still to come or takes its time. */
async function* pipeChunks(file: File): AsyncGenerator<Uint8Array> {
  const start = performance.now();
  for (let begun = false; ;) {
    const buffer = Buffer.allocUnsafeSlow(1 << 16);
    const count = readPipe(file, buffer);
    if (count !== undefined && count > 0) {
      begun = true;
      yield buffer.subarray(0, count);
    } else if (count === 0 && (begun || performance.now() - start > WRITER_MS)) return;
    else await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** `undefined` where nothing is there yet. */
function readPipe(file: File, buffer: Buffer): number | undefined {
  try {
    return file.read(buffer);
  } catch (error) {
    if (isStoreError(error) && error.context.errnoName === "EAGAIN") return undefined;
    throw error;
  }
}
