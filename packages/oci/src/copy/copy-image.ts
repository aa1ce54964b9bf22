// One image from any place to any other: its blobs bit for bit, then its documents as they are, then its name.

import { type OperationOptions, printDigest, type Progress, signalOf } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { Descriptor, ExactDocument, Platform } from "../image/descriptor.ts";
import { type ImageIndex, type Manifest, parseManifest } from "../image/manifest.ts";
import { documentKind } from "../image/media-types.ts";
import { readImageManifest } from "../image/image.ts";
import type { HowWritten, ImageTransportSink, ImageTransportSource } from "../transport/port.ts";

export type CopyProgress = Progress<"copy-blob">;

export interface CopyImageOptions extends OperationOptions<CopyProgress> {
  /** Which image of an index; that of this machine unless given. */
  readonly platform?: Platform;
  /** The whole index with all of its images, where the source names one. */
  readonly all?: boolean;
  /** Called with each image's manifest before anything of it is fetched; throws if the image must not be used. */
  readonly allow?: (manifest: ExactDocument) => Promise<void>;
  /** Blobs that are under way at once, where the destination can. */
  readonly parallel?: number;
}

export interface CopiedBlob {
  readonly digest: Descriptor["digest"];
  readonly size: number;
  readonly how: HowWritten;
}

export interface CopyImageResult {
  /** The document that has the image's name at the destination. */
  readonly document: ExactDocument;
  readonly blobs: readonly CopiedBlob[];
}

const INDEX_DEPTH = 4;

/** Copies an image. After an error the destination has no new image; blobs may have been written. */
export async function copyImage(
  source: ImageTransportSource,
  sink: ImageTransportSink,
  options: CopyImageOptions = {},
): Promise<CopyImageResult> {
  const blobs = new Map<string, CopiedBlob>();
  const copier = new Copier(source, sink, options, blobs);
  const top = options.all === true ? await source.readDocument(signalOf(options)) : undefined;
  const document = top ?? (await readImageManifest(source, imageOptions(options))).document;
  await copier.copyDocument(document, true, 0);
  await sink.commit(signalOf(options));
  return { document, blobs: [...blobs.values()] };
}

function imageOptions(options: CopyImageOptions): {
  readonly signal?: AbortSignal;
  readonly platform?: Platform;
} {
  const { platform } = options;
  return { ...signalOf(options), ...(platform === undefined ? {} : { platform }) };
}

class Copier {
  readonly #source: ImageTransportSource;
  readonly #sink: ImageTransportSink;
  readonly #options: CopyImageOptions;
  readonly #blobs: Map<string, CopiedBlob>;

  constructor(
    source: ImageTransportSource,
    sink: ImageTransportSink,
    options: CopyImageOptions,
    blobs: Map<string, CopiedBlob>,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#options = options;
    this.#blobs = blobs;
  }

  async copyDocument(document: ExactDocument, top: boolean, depth: number): Promise<void> {
    const parsed = parseManifest(document.bytes, { mediaType: document.mediaType });
    if (parsed.kind === "index") await this.#copyInstances(parsed, depth);
    else {
      await this.#options.allow?.(document);
      await this.#copyBlobs(parsed);
    }
    await this.#sink.writeDocument(document, top, signalOf(this.#options));
  }

  async #copyInstances(index: ImageIndex, depth: number): Promise<void> {
    if (!this.#sink.indexes) {
      throw ociErrors.error("destination-unsupported", "the destination cannot hold an index of images");
    }
    if (depth >= INDEX_DEPTH) throw ociErrors.error("document-invalid", "indexes are nested too deeply");
    if (index.unusable > 0) {
      throw ociErrors.error("destination-unsupported", "an index has images whose digests cannot be checked");
    }
    for (const entry of index.entries) {
      if (documentKind(entry.mediaType) === undefined) continue;
      const instance = await this.#source.readDocumentByDigest(entry, signalOf(this.#options));
      await this.copyDocument(instance, false, depth + 1);
    }
  }

  /** A few at a time; the first error stops those under way, and is thrown when all have ended. */
  async #copyBlobs(manifest: Manifest): Promise<void> {
    const stop = new AbortController();
    const { signal: outer } = this.#options;
    const signal = outer === undefined ? stop.signal : AbortSignal.any([outer, stop.signal]);
    const jobs = [
      { blob: manifest.config, role: "config" as const },
      ...manifest.layers.map((blob) => ({ blob, role: "layer" as const })),
    ].filter(({ blob }, at, all) => all.findIndex((other) => sameBlob(other.blob, blob)) === at);
    const failures: unknown[] = [];
    const worker = async (): Promise<void> => {
      for (let job = jobs.shift(); job !== undefined && failures.length === 0; job = jobs.shift()) {
        try {
          await this.#copyBlob(job.blob, job.role, signal);
        } catch (error) {
          failures.push(error);
          stop.abort(error);
        }
      }
    };
    const count = Math.max(1, Math.min(this.#sink.parallel, this.#options.parallel ?? this.#sink.parallel));
    await Promise.all(Array.from({ length: count }, worker));
    if (failures.length > 0) throw failures[0];
  }

  async #copyBlob(blob: Descriptor, role: "config" | "layer", signal: AbortSignal): Promise<void> {
    const id = printDigest(blob.digest);
    const report = (type: CopyProgress["type"], done: number, how?: CopyProgress["how"]): void =>
      this.#options.onProgress?.({
        type,
        task: "copy-blob",
        id,
        unit: "bytes",
        done,
        total: blob.size,
        ...(how === undefined ? {} : { how }),
      });
    report("started", 0);
    const how = await this.#sink.writeBlob(
      blob,
      async () => {
        const content = await this.#source.openBlob(blob, { signal });
        return { ...content, read: () => counted(content.read(), (done) => report("advanced", done)) };
      },
      role,
      { signal },
    );
    this.#blobs.set(id, { digest: blob.digest, size: blob.size, how });
    report(how === "reused" ? "skipped" : "done", blob.size, how);
  }
}

function sameBlob(a: Descriptor, b: Descriptor): boolean {
  return printDigest(a.digest) === printDigest(b.digest);
}

/** Tells every few megabytes how far it is. */
async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  tell: (done: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  let told = 0;
  for await (const chunk of chunks) {
    done += chunk.length;
    yield chunk;
    if (done - told < 4 << 20) continue;
    told = done;
    tell(done);
  }
}
