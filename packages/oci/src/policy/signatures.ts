// Where signatures are fetched from: a registry that keeps them itself, a lookaside store, attachments by tag.

import { type Digest, isStoreError, printDigest } from "@bootc-store/core";

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import { DOCUMENT_LIMIT, parseManifest } from "../image/manifest.ts";
import { MEDIA_TYPES } from "../image/media-types.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import { unexpectedAnswer } from "../registry/answer.ts";
import type { DockerSource } from "../registry/docker-transport.ts";
import { discard, Http, type HttpOptions } from "../registry/http.ts";
import { collectChecked } from "../transport/checked.ts";
import { type Host, readHostFileOptional } from "../transport/host.ts";
import type { SignaturePlaces } from "./registries-d.ts";
import type { SigstoreSignature } from "./sigstore.ts";

const SIGNATURES_MAX = 128;

/** The simple signatures of the manifest with this digest. */
export async function fetchSimpleSignatures(
  source: DockerSource,
  digest: Digest,
  places: SignaturePlaces,
  host: Host,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  if (await source.client.supportsSignatures(signal)) return await fromRegistry(source, digest, signal);
  const base = `${places.lookaside}/${source.reference.path}@${digest.algorithm}=${digest.hex}`;
  const found: Uint8Array[] = [];
  using http = new Http(withProxies(source));
  for (let number = 1; number <= SIGNATURES_MAX; number++) {
    const bytes = await fetchOne(`${base}/signature-${number}`, http, host, signal);
    if (bytes === undefined) return found;
    found.push(bytes);
  }
  throw ociErrors.error("signature-invalid", `more than ${SIGNATURES_MAX} signatures`);
}

/** Signatures are kept elsewhere, but the way there goes through the same machines. */
function withProxies({ client }: DockerSource): HttpOptions {
  const { proxies } = client.options;
  return proxies === undefined ? {} : { proxies };
}

async function fetchOne(
  text: string,
  http: Http,
  host: Host,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const url = new URL(text);
  if (url.protocol === "file:") {
    return readHostFileOptional(host, decodeURIComponent(url.pathname), DOCUMENT_LIMIT);
  }
  const response = await http.send({ url, ...(signal === undefined ? {} : { signal }) });
  if (response.status === 200) return await collect(response.body, DOCUMENT_LIMIT, "signature");
  if (response.status !== 404) throw await unexpectedAnswer(response, "signature");
  discard(response.body);
  return undefined;
}

async function fromRegistry(
  source: DockerSource,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array[]> {
  const { path } = source.client.options;
  const to = `../`.repeat(path.split("/").length + 1);
  const response = await source.client.request(
    {
      to: `${to}extensions/v2/${path}/signatures/${printDigest(digest)}`,
      ...(signal === undefined ? {} : { signal }),
    },
    [200],
  );
  const bytes = await collect(response.body, DOCUMENT_LIMIT, "signatures");
  const list = Fields.of(parseJson(bytes, { what: "signatures" }), "signatures");
  return (list.has("signatures") ? list.fieldsOf("signatures") : [])
    .filter((each) => each.get("schemaVersion") === 2 && each.get("type") === "atomic")
    .map((each) => Buffer.from(each.string("content"), "base64"));
}

/** The sigstore signatures that are attached to the manifest with this digest. */
export async function fetchSigstoreSignatures(
  source: DockerSource,
  digest: Digest,
  signal?: AbortSignal,
): Promise<SigstoreSignature[]> {
  let document;
  try {
    document = await source.client.readManifest(`${digest.algorithm}-${digest.hex}.sig`, signal);
  } catch (error) {
    if (isStoreError(error, "oci/registry-not-found")) return [];
    throw error;
  }
  const manifest = parseManifest(document.bytes, { mediaType: document.mediaType });
  if (manifest.kind !== "manifest" || document.mediaType !== MEDIA_TYPES.manifest) {
    throw ociErrors.error("signature-invalid", "the attached signatures are no image of OCI");
  }
  const found: SigstoreSignature[] = [];
  for (const layer of manifest.layers) {
    if (layer.mediaType !== MEDIA_TYPES.cosignSignature) continue;
    const payload = await collectChecked(await source.client.openBlob(layer, signal), layer, DOCUMENT_LIMIT);
    found.push({ payload, annotations: layer.annotations ?? {} });
  }
  return found;
}
