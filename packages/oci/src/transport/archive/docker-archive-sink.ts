// docker-archive: as a destination: what `docker load` reads. Layers are written as plain tars under their diff ids,
// so a compressed one is decompressed. An archive that is there already is not added to.

import { createHash } from "node:crypto";

import { type ByteString, type OperationOptions, printDigest, utf8 } from "@bootc-store/core";
import type { Dir, SyncPolicy } from "@bootc-store/linux";

import { collect } from "../../collect.ts";
import { decompress, type DecompressOptions } from "../../decompress/decompress.ts";
import { ociErrors } from "../../errors.ts";
import { parseConfig } from "../../image/config.ts";
import type { Descriptor, ExactDocument } from "../../image/descriptor.ts";
import { DOCUMENT_LIMIT, parseManifest } from "../../image/manifest.ts";
import { type DockerReference, printDockerReference } from "../../reference/docker-reference.ts";
import { checkedBlob } from "../checked.ts";
import { abortable, chunkOf, fileChunks } from "../chunks.ts";
import type { BlobContent, BlobRole, HowWritten, ImageTransportSink } from "../port.ts";
import { TarFileWriter } from "./tar-file-writer.ts";

export class DockerArchiveSink implements ImageTransportSink {
  readonly parallel = 1;
  readonly indexes = false;
  readonly #dir: Dir;
  readonly #fileName: ByteString;
  readonly #reference: DockerReference | undefined;
  readonly #sync: SyncPolicy;
  readonly #options: DecompressOptions;
  readonly #tar: TarFileWriter;
  /** Diff ids of the layers written, by the digests of their blobs. */
  readonly #diffIds = new Map<string, string>();
  readonly #members = new Set<string>();
  #config: { readonly digest: string; readonly bytes: Uint8Array } | undefined;
  #ready = false;

  /** Takes over the directory. Throws `oci/destination-conflict` where the file is there already. */
  constructor(
    dir: Dir,
    fileName: ByteString,
    reference: DockerReference | undefined,
    sync: SyncPolicy,
    options: DecompressOptions = {},
  ) {
    const there = dir.statOptional(fileName);
    if (there !== undefined && there.size > 0) {
      throw ociErrors.error("destination-conflict", `${dir.labelOf(fileName)}: an archive is there already`);
    }
    this.#dir = dir;
    this.#fileName = fileName;
    this.#reference = reference;
    this.#sync = sync;
    this.#options = options;
    this.#tar = new TarFileWriter(dir);
  }

  async writeBlob(
    descriptor: Descriptor,
    open: () => Promise<BlobContent>,
    role: BlobRole,
    options: OperationOptions = {},
  ): Promise<HowWritten> {
    const key = printDigest(descriptor.digest);
    const checked = async (): Promise<AsyncGenerator<Uint8Array>> =>
      abortable(checkedBlob(await open(), descriptor), options.signal);
    if (role === "config") {
      const bytes = await collect(await checked(), DOCUMENT_LIMIT, "image configuration");
      this.#config = { digest: descriptor.digest.hex, bytes };
      await this.#tar.add(utf8(`${descriptor.digest.hex}.json`), chunkOf(bytes));
      return "copied";
    }
    if (this.#diffIds.has(key)) return "reused";
    await this.#writeLayer(key, await checked());
    return "copied";
  }

  /** The diff id, and so the name, is known at the end; so the layer lies in a file without a name until then. */
  async #writeLayer(key: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    using spool = this.#dir.tempFile();
    const hash = createHash("sha256");
    for await (const chunk of decompress(chunks, this.#options)) {
      hash.update(chunk);
      spool.file.write(chunk);
    }
    const hex = hash.digest("hex");
    this.#diffIds.set(key, hex);
    if (this.#members.has(hex)) return;
    this.#members.add(hex);
    await this.#tar.add(utf8(`${hex}.tar`), fileChunks(spool.file));
  }

  async writeDocument(document: ExactDocument): Promise<void> {
    const manifest = parseManifest(document.bytes, { mediaType: document.mediaType });
    if (manifest.kind === "index" || this.#config === undefined) {
      throw ociErrors.error(
        "destination-unsupported",
        "an archive of Docker holds images, and no index of them",
      );
    }
    const { diffIds } = parseConfig(this.#config.bytes);
    const layers = manifest.layers.map(({ digest }) => this.#diffIds.get(printDigest(digest)));
    if (layers.length !== diffIds.length || layers.some((layer, at) => layer !== diffIds[at]?.hex)) {
      throw ociErrors.error("diff-id-mismatch", "the layers are not those that the configuration says");
    }
    const described = [
      {
        Config: `${this.#config.digest}.json`,
        RepoTags: this.#reference === undefined ? null : [printDockerReference(this.#reference)],
        Layers: layers.map((hex) => `${hex}.tar`),
      },
    ];
    await this.#tar.add(utf8("manifest.json"), chunkOf(Buffer.from(JSON.stringify(described))));
    this.#ready = true;
  }

  async commit(): Promise<void> {
    if (!this.#ready) return;
    // An empty file may be a temporary one that somebody made to have the name.
    this.#tar.publish(this.#fileName, this.#sync);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tar[Symbol.dispose]();
    this.#dir[Symbol.dispose]();
  }
}
