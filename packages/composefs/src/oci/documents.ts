// Manifests and configurations as streams of one object each, which keep alive what the document names: a manifest its
// configuration and layers, a configuration its layers and the EROFS images made of them.

import { createHash } from "node:crypto";

import { type Digest, digestFromHex, parseDigest, printDigest } from "@bootc-store/core";

import { composefsErrors } from "../errors.ts";
import type { ErofsVersion } from "../format/meta-json.ts";
import type { Repository } from "../repository/repository.ts";
import { CONTENT_TYPES } from "../splitstream/layout.ts";
import { readPieces } from "../splitstream/reader.ts";
import { SplitstreamWriter } from "../splitstream/writer.ts";
import { openStream, openStreamObject, storeStream } from "../streams/store.ts";

export type DocumentKind = "config" | "manifest";

/** A document with what its stream keeps alive. */
export interface StoredDocument {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** Digests of streams and images by the names under which the stream refers to them. */
  readonly references: ReadonlyMap<string, string>;
  /** The stream's own id. */
  readonly id: string;
}

export function documentStreamName(kind: DocumentKind, digest: Digest): string {
  return `oci-${kind}-${printDigest(digest)}`;
}

/** Name under which a configuration's stream refers to its EROFS image. */
export function imageReference(version: ErofsVersion, boot: boolean): string {
  return `composefs.image${boot ? ".boot" : ""}${version === 2 ? "" : `.v${version}`}`;
}

/** Stores a document under its digest, with references in the order in which they are given. */
export async function writeDocument(
  repository: Repository,
  kind: DocumentKind,
  digest: Digest,
  bytes: Uint8Array,
  references: Iterable<readonly [name: string, id: string]>,
): Promise<string> {
  checkDigest(kind, digest, bytes);
  const writer = new SplitstreamWriter(repository.algorithm, CONTENT_TYPES[kind]);
  for (const [name, id] of references) writer.reference(name, id);
  const { id } = repository.objects.put(bytes);
  await writer.external(id, bytes.length);
  return await storeStream(repository, documentStreamName(kind, digest), writer);
}

/**
 * Reads a document and checks it against its digest. `id` is that of its stream, where it is not to be looked up by the
 * stream's name. Throws `composefs/digest-mismatch`.
 */
export async function readDocument(
  repository: Repository,
  kind: DocumentKind,
  digest: Digest,
  id?: string,
): Promise<StoredDocument> {
  const name = documentStreamName(kind, digest);
  using stream =
    id === undefined ? await openStream(repository, name) : await openStreamObject(repository, name, id);
  if (stream.tables.contentType !== CONTENT_TYPES[kind]) {
    throw composefsErrors.error(
      "stream-invalid",
      `stream ${stream.name} is no ${kind} but ${stream.tables.contentType}`,
    );
  }
  if (stream.tables.size > BigInt(repository.limits.document)) {
    throw composefsErrors.error(
      "limit-exceeded",
      `${kind} ${printDigest(digest)} has ${stream.tables.size} bytes`,
    );
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of readPieces(stream.file, stream.tables, repository.limits)) {
    const bytes = piece.kind === "inline" ? piece.bytes : readObject(repository, piece.object);
    size += bytes.length;
    if (size > repository.limits.document)
      throw composefsErrors.error("limit-exceeded", `${kind} ${printDigest(digest)} is too large`);
    parts.push(bytes);
  }
  const bytes = Buffer.concat(parts);
  checkDigest(kind, digest, bytes);
  return { digest, bytes, references: stream.tables.references, id: stream.id };
}

/** The digest in a stream's name, or `undefined` if it is another kind of stream. */
export function digestOfStreamName(kind: DocumentKind | "layer", name: string): Digest | undefined {
  const prefix = `oci-${kind}-`;
  if (!name.startsWith(prefix)) return undefined;
  try {
    return parseDigest(name.slice(prefix.length));
  } catch {
    return undefined;
  }
}

/** Layers' streams by diff id, as references. */
export function layerReferences(
  layers: readonly { readonly diffId: Digest; readonly id: string }[],
): [string, string][] {
  return layers.map(({ diffId, id }) => [printDigest(diffId), id]);
}

function readObject(repository: Repository, id: string): Uint8Array {
  using file = repository.objects.open(id);
  return file.readAll({ limit: repository.limits.document });
}

function checkDigest(kind: DocumentKind, digest: Digest, bytes: Uint8Array): void {
  const found = digestFromHex(digest.algorithm, createHash(digest.algorithm).update(bytes).digest("hex"));
  if (found.hex === digest.hex) return;
  throw composefsErrors.error(
    "digest-mismatch",
    `${kind} ${printDigest(digest)} has the digest ${printDigest(found)}`,
    {
      context: { digest: printDigest(digest), found: printDigest(found) },
    },
  );
}
