// What a worker does with a layer: from the blob in its file to objects and the splitstream, in one pass.

import { createHash } from "node:crypto";

import type { ContentTally } from "@bootc-store/backend";
import { type ByteString, type Digest, printDigest } from "@bootc-store/core";
import { type CancelSignal, defineTask, Dir, type File, throwIfCancelled } from "@bootc-store/linux";
import { decompress } from "@bootc-store/oci";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";
import type { ComposefsLimits } from "../limits.ts";
import { ObjectStore, type VerityPolicy } from "../objects/store.ts";
import { TarLayerWriter } from "./tar-layer.ts";

export interface ImportLayerInput {
  /** Descriptor of the repository, which stays open until this is done. */
  readonly repository: number;
  readonly algorithm: ComposefsAlgorithm;
  readonly verity: VerityPolicy;
  readonly limits: ComposefsLimits;
  /** Descriptor of the directory with the blob, and its name there. */
  readonly dir: number;
  readonly name: ByteString;
  readonly digest: Digest;
  readonly size: number;
  readonly diffId: Digest;
}

export interface ImportLayerOutput {
  /** Id of the splitstream, which is an object and has no name yet. */
  readonly id: string;
  readonly content: ContentTally;
  readonly inlined: number;
}

/** Throws `composefs/layer-mismatch`, `composefs/tar-unsupported`, and the errors of `oci` for damaged blobs. */
export const importLayer = defineTask(
  import.meta.url,
  "importLayer",
  async (input: ImportLayerInput, { signal }): Promise<ImportLayerOutput> => {
    const objects = new ObjectStore(Dir.borrow(input.repository), input.algorithm, input.verity);
    try {
      using writer = new TarLayerWriter(objects, input.limits);
      using file = Dir.borrow(input.dir).openFile(input.name);
      const plain = printDigest(input.digest) === printDigest(input.diffId);
      const hash = createHash(input.diffId.algorithm);
      const blob = blobChunks(file, input, plain ? undefined : createHash(input.digest.algorithm), signal);
      for await (const chunk of decompress(blob, plain ? { compression: "none" } : { reuse: true })) {
        throwIfCancelled(signal);
        hash.update(chunk);
        const waiting = writer.push(chunk);
        if (waiting !== undefined) await waiting;
      }
      checkDigest("layer", input.diffId, hash.digest("hex"), "the diff id");
      const { id } = objects.put(await writer.finish());
      return { id, content: writer.tally, inlined: writer.inlined };
    } finally {
      objects.close();
    }
  },
);

const CHUNK = 1 << 20;

/** The blob, and at its end whether it was the one that was meant. A chunk is written over when the next is asked for. */
async function* blobChunks(
  file: File,
  { digest, size }: ImportLayerInput,
  hash: ReturnType<typeof createHash> | undefined,
  signal: CancelSignal,
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  let at = 0;
  for (;;) {
    throwIfCancelled(signal);
    const count = file.readFull(buffer, at);
    if (count > 0) {
      const chunk = count === buffer.length ? buffer : buffer.subarray(0, count);
      hash?.update(chunk);
      yield chunk;
    }
    at += count;
    if (count < buffer.length || at > size) break;
  }
  if (at !== size) {
    throw composefsErrors.error(
      "content-size",
      `blob ${printDigest(digest)} of ${size} bytes has ${at > size ? "more" : at}`,
    );
  }
  if (hash !== undefined) checkDigest("blob", digest, hash.digest("hex"), "the digest");
}

function checkDigest(what: string, wanted: Digest, found: string, which: string): void {
  if (found === wanted.hex) return;
  throw composefsErrors.error(
    "layer-mismatch",
    `${what} ${printDigest(wanted)} has ${which} ${wanted.algorithm}:${found}`,
    { context: { digest: printDigest(wanted) } },
  );
}
