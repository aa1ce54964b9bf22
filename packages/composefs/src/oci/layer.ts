// Layers as splitstreams: headers, padding and small contents inline, everything larger an object.

import {
  type AdoptOptions,
  type Layer,
  type LayerBlob,
  type LayerSegment,
  TallyBuilder,
  type WrittenLayer,
} from "@bootc-store/backend";
import { type Digest, printDigest, throwIfAborted } from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";

import { composefsErrors } from "../errors.ts";
import type { Repository } from "../repository/repository.ts";
import { CONTENT_TYPES } from "../splitstream/layout.ts";
import { readPieces } from "../splitstream/reader.ts";
import { writeObjectLink } from "../streams/links.ts";
import { openStream, streamId } from "../streams/store.ts";
import { LayerWriter } from "./layer-writer.ts";
import { importLayer } from "./tasks.ts";

export interface LayerOptions extends AdoptOptions {
  /** What the layer is: a tar, or the blob of an artifact, which is one object whatever its size. Default `tar`. */
  readonly as?: "tar" | "blob";
  /** Takes over a layer whose blob is a file, or contents that are files; without it everything is done here. */
  readonly pool?: Pool;
}

export interface WrittenComposefsLayer extends WrittenLayer {
  /** Bytes that are in the stream itself. */
  readonly inlined: number;
}

export function layerStreamName(diffId: Digest): string {
  return `oci-layer-${printDigest(diffId)}`;
}

/** Whether the layer is there. */
export function hasLayer(repository: Repository, diffId: Digest): boolean {
  return streamId(repository, layerStreamName(diffId)) !== undefined;
}

/** Whether it is there with all of its objects; else it is written again, which repairs it. */
export async function layerIsWhole(repository: Repository, diffId: Digest): Promise<boolean> {
  const name = layerStreamName(diffId);
  const id = streamId(repository, name);
  if (id === undefined || !repository.objects.has(id)) return false;
  using stream = await openStream(repository, name);
  return repository.objects.hasAll(stream.tables.objects);
}

/**
 * Writes a layer in one pass: the diff id over all bytes, the digest of each content, and the tar's own structure are
 * looked at while it goes by. It gets its name only when all of them hold. Throws `composefs/layer-mismatch`, the
 * `oci/tar-*` errors, and `composefs/tar-unsupported` for what composefs-rs refuses.
 */
export async function writeLayer(
  repository: Repository,
  layer: Layer,
  options: LayerOptions = {},
): Promise<WrittenComposefsLayer> {
  return await repository.writing(async () => await writeSegments(repository, layer, options));
}

async function writeSegments(
  repository: Repository,
  layer: Layer,
  options: LayerOptions,
): Promise<WrittenComposefsLayer> {
  const name = layerStreamName(layer.diffId);
  if (await layerIsWhole(repository, layer.diffId))
    return { id: name, created: false, content: new TallyBuilder().tally(), inlined: 0 };
  if (layer.shipped !== undefined && options.pool !== undefined && options.as !== "blob")
    return await importBlob(repository, layer.diffId, layer.shipped, options.pool, options.signal);
  await using writing = new LayerWriter(repository, layer.diffId, options);
  for await (const segment of layer.segments(options)) await writing.take(segment);
  const content = await writing.finish(name);
  return { id: name, created: true, content, inlined: writing.inlined };
}

async function importBlob(
  repository: Repository,
  diffId: Digest,
  { file, digest, size }: LayerBlob,
  pool: Pool,
  signal: AbortSignal | undefined,
): Promise<WrittenComposefsLayer> {
  const name = layerStreamName(diffId);
  const { objects, algorithm, limits, dir } = repository;
  const { id, content, inlined } = await pool.run(
    importLayer,
    {
      repository: dir.fd,
      algorithm,
      verity: objects.verity,
      limits,
      dir: file.dir.fd,
      name: file.name,
      digest,
      size,
      diffId,
    },
    signal === undefined ? {} : { signal },
  );
  repository.flush();
  writeObjectLink(repository, "streams", name, id);
  return { id: name, created: true, content, inlined };
}

/** The layer as segments, or `undefined` if it is not there. Contents are objects, and can be cloned. */
export async function openLayer(repository: Repository, diffId: Digest): Promise<Layer | undefined> {
  const name = layerStreamName(diffId);
  const id = streamId(repository, name);
  if (id === undefined) return undefined;
  return {
    diffId,
    async *segments(options) {
      using stream = await openStream(repository, name);
      if (stream.tables.contentType !== CONTENT_TYPES.layer) {
        throw composefsErrors.error(
          "stream-invalid",
          `stream ${name} is no layer but ${stream.tables.contentType}`,
        );
      }
      for await (const piece of readPieces(stream.file, stream.tables, repository.limits)) {
        throwIfAborted(options?.signal);
        yield piece.kind === "inline" ? piece : objectSegment(repository, piece.object);
      }
    },
  };
}

/** A content that is an object. */
export function objectSegment(
  repository: Repository,
  object: string,
): Extract<LayerSegment, { kind: "content" }> {
  return { kind: "content", content: repository.objects.content(object) };
}
