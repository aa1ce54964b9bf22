// docker: as a source and a destination: an image in a registry.

import { isStoreError, type OperationOptions, printDigest, throwIfAborted } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { type Descriptor, embeddedData, type ExactDocument } from "../image/descriptor.ts";
import { endpointsFor } from "../host-config/registries-conf.ts";
import { type DockerReference, printDockerReference } from "../reference/docker-reference.ts";
import { blobNotFound, checkedBlob } from "../transport/checked.ts";
import { abortable, chunkOf } from "../transport/chunks.ts";
import type { BlobContent, HowWritten, ImageTransportSink, ImageTransportSource } from "../transport/port.ts";
import type { RegistryAccess } from "./access.ts";
import type { RegistryClient } from "./client.ts";
import { discard, Http } from "./http.ts";
import { uploadBlob, uploadManifest } from "./upload.ts";

/** What stands for the image in a request: its digest where it has one. */
function tagOrDigest({ tag, digest }: DockerReference): string {
  return digest === undefined ? (tag ?? "latest") : printDigest(digest);
}

export class DockerSource implements ImageTransportSource {
  /** Of the place that had the manifest: a mirror, or the registry itself. */
  readonly client: RegistryClient;
  readonly reference: DockerReference;
  /** Fetched once: a tag may move, and what is checked must be what is used. */
  readonly #document: ExactDocument;
  readonly #elsewhere: Http;

  private constructor(client: RegistryClient, reference: DockerReference, document: ExactDocument) {
    this.client = client;
    this.reference = reference;
    this.#document = document;
    const { proxies } = client.options;
    this.#elsewhere = new Http(proxies === undefined ? {} : { proxies });
  }

  /** Tries mirrors and the registry in order; the error is that of the registry itself. */
  static async open(
    reference: DockerReference,
    access: RegistryAccess,
    options: OperationOptions = {},
  ): Promise<DockerSource> {
    let failure: unknown;
    for (const endpoint of endpointsFor(access.conf, reference)) {
      throwIfAborted(options.signal);
      const client = await access.connect(endpoint, reference.domain);
      try {
        const document = await client.readManifest(tagOrDigest(endpoint.reference), options.signal);
        return new DockerSource(client, reference, document);
      } catch (error) {
        client[Symbol.dispose]();
        if (isStoreError(error, "core/cancelled")) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async readDocument(): Promise<ExactDocument> {
    return this.#document;
  }

  async readDocumentByDigest(descriptor: Descriptor, options: OperationOptions = {}): Promise<ExactDocument> {
    return await this.client.readManifest(printDigest(descriptor.digest), options.signal);
  }

  async openBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<BlobContent> {
    const data = embeddedData(descriptor);
    if (data !== undefined) return { size: data.length, read: () => chunkOf(data) };
    const other = await this.#openElsewhere(descriptor, options.signal);
    if (other !== undefined) return other;
    try {
      return await this.client.openBlob(descriptor, options.signal);
    } catch (error) {
      if (isStoreError(error, "oci/registry-not-found")) throw blobNotFound(descriptor, this.client.name);
      throw error;
    }
  }

  /** Other places that the descriptor names, without credentials; one that does not work is passed over. */
  async #openElsewhere(
    descriptor: Descriptor,
    signal: AbortSignal | undefined,
  ): Promise<BlobContent | undefined> {
    for (const text of descriptor.urls ?? []) {
      const url = URL.parse(text);
      if (url === null || !/^https?:$/.test(url.protocol)) continue;
      try {
        const response = await this.#elsewhere.send({ url, ...(signal === undefined ? {} : { signal }) });
        if (response.status === 200) return { read: () => response.body };
        discard(response.body);
      } catch (error) {
        if (!isStoreError(error, "oci/registry-unreachable", "oci/registry-redirects")) throw error;
      }
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#elsewhere[Symbol.dispose]();
    this.client[Symbol.dispose]();
  }
}

export interface DockerSinkOptions {
  /** Bytes of one request of an upload; the whole blob in one unless given. */
  readonly chunkSize?: number;
  /** Other repositories of the same registry that may have the blobs. */
  readonly mountFrom?: readonly string[];
}

export class DockerSink implements ImageTransportSink {
  readonly parallel = 4;
  readonly indexes = true;
  readonly #client: RegistryClient;
  readonly #reference: DockerReference;
  readonly #options: DockerSinkOptions;
  readonly #byDigest: boolean;
  #top: ExactDocument | undefined;

  private constructor(
    client: RegistryClient,
    reference: DockerReference,
    byDigest: boolean,
    options: DockerSinkOptions,
  ) {
    this.#client = client;
    this.#reference = reference;
    this.#byDigest = byDigest;
    this.#options = options;
  }

  /** Pushes go to the registry itself, never to a mirror. */
  static async open(
    reference: DockerReference,
    unknownDigest: boolean,
    access: RegistryAccess,
    options: DockerSinkOptions = {},
  ): Promise<DockerSink> {
    const own = endpointsFor(access.conf, reference).find(({ mirror }) => !mirror);
    if (own === undefined) throw new Error("a registry is always among its own endpoints");
    return new DockerSink(await access.connect(own), own.reference, unknownDigest, options);
  }

  async writeBlob(
    descriptor: Descriptor,
    open: () => Promise<BlobContent>,
    _role: unknown,
    options: OperationOptions = {},
  ): Promise<HowWritten> {
    const checked = async (): Promise<AsyncIterable<Uint8Array>> =>
      abortable(checkedBlob(await open(), descriptor), options.signal);
    return await uploadBlob(this.#client, descriptor, checked, {
      ...this.#options,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  async writeDocument(document: ExactDocument, top: boolean, options: OperationOptions = {}): Promise<void> {
    if (top) this.#top = document;
    else await uploadManifest(this.#client, document, printDigest(document.digest), options.signal);
  }

  async commit(options: OperationOptions = {}): Promise<void> {
    const top = this.#top;
    if (top === undefined) return;
    const { digest } = this.#reference;
    if (digest !== undefined && printDigest(digest) !== printDigest(top.digest)) {
      throw ociErrors.error(
        "digest-mismatch",
        `${printDockerReference(this.#reference)}: the manifest is ${printDigest(top.digest)}`,
      );
    }
    const name = this.#byDigest ? printDigest(top.digest) : tagOrDigest(this.#reference);
    await uploadManifest(this.#client, top, name, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
  }
}
