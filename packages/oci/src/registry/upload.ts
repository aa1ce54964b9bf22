// Pushing: blobs by upload or by mount, manifests, and the list of referrers of registries that keep none.

import { type Digest, isStoreError, printDigest } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { Descriptor, ExactDocument } from "../image/descriptor.ts";
import { parseManifest } from "../image/manifest.ts";
import { MEDIA_TYPES } from "../image/media-types.ts";
import { exactDocument } from "../image/descriptor.ts";
import { unexpectedAnswer } from "./answer.ts";
import { headerOf, type RegistryClient, referrersTag } from "./client.ts";
import { discard, type HttpResponse, shownUrl } from "./http.ts";

export interface UploadOptions {
  readonly signal?: AbortSignal;
  /** Bytes of one request; the whole blob in one unless given. */
  readonly chunkSize?: number;
  /** Other repositories of the registry that may have the blob. */
  readonly mountFrom?: readonly string[];
}

/** Brings a blob into the repository. `chunks` are not read where it can be had otherwise. */
export async function uploadBlob(
  client: RegistryClient,
  descriptor: Descriptor,
  open: () => Promise<AsyncIterable<Uint8Array>>,
  options: UploadOptions = {},
): Promise<"reused" | "copied"> {
  if (await client.hasBlob(descriptor.digest, options.signal)) return "reused";
  const common = options.signal === undefined ? {} : { signal: options.signal };
  let started: HttpResponse | undefined;
  for (const from of options.mountFrom ?? []) {
    if (from === client.options.path) continue;
    started = await client.request(
      {
        method: "POST",
        to: `blobs/uploads/?mount=${printDigest(descriptor.digest)}&from=${encodeURIComponent(from)}`,
        actions: "pull,push",
        extraScopes: [`repository:${from}:pull`],
        body: new Uint8Array(0),
        ...common,
      },
      [201, 202],
    );
    discard(started.body);
    if (started.status === 201) return "reused";
    break;
  }
  started ??= await client.request(
    { method: "POST", to: "blobs/uploads/", actions: "pull,push", body: new Uint8Array(0), ...common },
    [202],
  );
  discard(started.body);
  let location = locationOf(started);
  const chunks = await open();
  const size = descriptor.size;
  if (options.chunkSize === undefined) {
    const sent = await client.request(
      {
        method: "PATCH",
        to: location,
        actions: "pull,push",
        headers: { "Content-Type": "application/octet-stream" },
        body: { chunks, size },
        ...common,
      },
      [202, 204],
    );
    discard(sent.body);
    location = locationOf(sent);
  } else {
    let offset = 0;
    for await (const part of piecesOf(chunks, options.chunkSize)) {
      const sent = await client.request(
        {
          method: "PATCH",
          to: location,
          actions: "pull,push",
          headers: {
            "Content-Type": "application/octet-stream",
            "Content-Range": `${offset}-${offset + part.length - 1}`,
          },
          body: part,
          ...common,
        },
        [202, 204],
      );
      discard(sent.body);
      location = locationOf(sent);
      offset += part.length;
    }
  }
  await finishUpload(client, location, descriptor.digest, options.signal);
  return "copied";
}

async function finishUpload(
  client: RegistryClient,
  location: URL,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const url = new URL(location);
  url.searchParams.set("digest", printDigest(digest));
  const response = await client.send({
    method: "PUT",
    to: url,
    actions: "pull,push",
    headers: { "Content-Type": "application/octet-stream" },
    body: new Uint8Array(0),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status !== 201 && response.status !== 204) {
    throw ociErrors.error("push-failed", `${client.name}: blob ${printDigest(digest)} was not accepted`, {
      cause: await unexpectedAnswer(response, client.name),
    });
  }
  discard(response.body);
}

/** A manifest under a tag or its digest; its subject's list of referrers is kept where the registry does not do it. */
export async function uploadManifest(
  client: RegistryClient,
  document: ExactDocument,
  reference: string,
  signal?: AbortSignal,
): Promise<void> {
  const response = await client.request(
    {
      method: "PUT",
      to: `manifests/${reference}`,
      actions: "pull,push",
      headers: { "Content-Type": document.mediaType },
      body: document.bytes,
      ...(signal === undefined ? {} : { signal }),
    },
    [200, 201, 202],
  );
  discard(response.body);
  const said = headerOf(response, "docker-content-digest");
  if (said !== undefined && document.digest.algorithm === "sha256" && said !== printDigest(document.digest)) {
    throw ociErrors.error("push-failed", `${client.name}: the manifest has become ${said.slice(0, 100)}`);
  }
  const parsed = parseManifest(document.bytes, { mediaType: document.mediaType });
  if (parsed.subject === undefined || headerOf(response, "oci-subject") !== undefined) return;
  const artifactType =
    parsed.artifactType ?? (parsed.kind === "manifest" ? parsed.config.mediaType : undefined);
  await addReferrer(client, parsed.subject.digest, document, artifactType, parsed.annotations, signal);
}

async function addReferrer(
  client: RegistryClient,
  subject: Digest,
  document: ExactDocument,
  artifactType: string | undefined,
  annotations: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tag = referrersTag(subject);
  let manifests: unknown[] = [];
  try {
    const before = await client.readManifest(tag, signal);
    if (before.mediaType === MEDIA_TYPES.index) {
      manifests =
        (JSON.parse(Buffer.from(before.bytes).toString()) as { manifests?: unknown[] }).manifests ?? [];
    }
  } catch (error) {
    if (!isStoreError(error, "oci/registry-not-found")) throw error;
  }
  const digest = printDigest(document.digest);
  const others = manifests.filter((each) => (each as { digest?: unknown }).digest !== digest);
  const entry = {
    mediaType: document.mediaType,
    digest,
    size: document.bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [...others, entry] };
  await uploadManifest(
    client,
    exactDocument(MEDIA_TYPES.index, Buffer.from(JSON.stringify(index))),
    tag,
    signal,
  );
}

function locationOf(response: HttpResponse): URL {
  const location = headerOf(response, "location");
  const url = location === undefined ? null : URL.parse(location, response.url.href);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw ociErrors.error(
    "registry-answer",
    `${shownUrl(response.url)}: an upload was begun without a place for it`,
  );
}

/** The bytes in pieces of this size, the last one smaller. */
async function* piecesOf(chunks: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let piece = Buffer.allocUnsafeSlow(size);
  let fill = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + size - fill);
      piece.set(part, fill);
      fill += part.length;
      at += part.length;
      if (fill < size) continue;
      yield piece;
      piece = Buffer.allocUnsafeSlow(size);
      fill = 0;
    }
  }
  if (fill > 0) yield piece.subarray(0, fill);
}
