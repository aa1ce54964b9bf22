// dir:, a directory of one image's blobs under their digests:
//
//   version             "Directory Transport Version: 1.1" (1.2 if a digest is not SHA-256), and a newline
//   manifest.json       the manifest or index
//   HEX                 blobs; ALGORITHM-HEX where not SHA-256
//   HEX.manifest.json   instances of the index
//   signature-N         simple signatures, from 1

import { type ByteString, type Digest, type OperationOptions, utf8 } from "@bootc-store/core";
import { type Dir, isTempName, type SyncPolicy } from "@bootc-store/linux";

import { ociErrors } from "../errors.ts";
import type { Descriptor, ExactDocument } from "../image/descriptor.ts";
import { DOCUMENT_LIMIT, parseManifest } from "../image/manifest.ts";
import { blobNotFound } from "./checked.ts";
import { DirStore } from "./file-store.ts";
import { placeBlob } from "./place.ts";
import type { BlobContent, HowWritten, ImageTransportSink, ImageTransportSource } from "./port.ts";

const VERSION = /^Directory Transport Version: ([0-9]+)\.([0-9]+)\n?$/;
const SIGNATURES_MAX = 128;

function fileOf(digest: Digest): ByteString {
  return utf8(digest.algorithm === "sha256" ? digest.hex : `${digest.algorithm}-${digest.hex}`);
}

export class DirSource implements ImageTransportSource {
  readonly #dir: Dir;
  readonly #store: DirStore;

  /** Takes over the directory. Throws `oci/layout-invalid`. */
  constructor(dir: Dir, label: string) {
    this.#dir = dir;
    this.#store = new DirStore(dir, label);
    const version = dir.readFileOptional(utf8("version"), { limit: 256 });
    // The oldest ones have none.
    if (version !== undefined) checkVersion(version, label);
  }

  async readDocument(): Promise<ExactDocument> {
    const bytes = await this.#store.readOptional(utf8("manifest.json"), DOCUMENT_LIMIT);
    if (bytes !== undefined) return parseManifest(bytes).document;
    throw ociErrors.error("image-not-found", `${this.#store.label}: there is no manifest.json`);
  }

  async readDocumentByDigest(descriptor: Descriptor): Promise<ExactDocument> {
    const { digest, mediaType } = descriptor;
    const bytes =
      (await this.#store.readOptional(utf8(`${fileOf(digest)}.manifest.json`), DOCUMENT_LIMIT)) ??
      (await this.#store.readOptional(fileOf(digest), DOCUMENT_LIMIT));
    if (bytes === undefined) throw blobNotFound(descriptor, this.#store.label);
    return parseManifest(bytes, { digest, mediaType }).document;
  }

  blobFile(descriptor: Descriptor): BlobContent["file"] {
    return this.#store.openOptional(fileOf(descriptor.digest))?.file;
  }

  async openBlob(descriptor: Descriptor): Promise<BlobContent> {
    const found = this.#store.openOptional(fileOf(descriptor.digest));
    if (found === undefined) throw blobNotFound(descriptor, this.#store.label);
    return found;
  }

  async readSignatures(): Promise<readonly Uint8Array[]> {
    const signatures: Uint8Array[] = [];
    for (let number = 1; number <= SIGNATURES_MAX; number++) {
      const bytes = this.#dir.readFileOptional(utf8(`signature-${number}`), { limit: DOCUMENT_LIMIT });
      if (bytes === undefined) return signatures;
      signatures.push(bytes);
    }
    throw ociErrors.error("layout-invalid", `${this.#store.label}: more than ${SIGNATURES_MAX} signatures`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}

function checkVersion(bytes: Uint8Array, label: string): void {
  const match = VERSION.exec(Buffer.from(bytes).toString("latin1"));
  if (match !== null && (Number(match[1]) < 1 || (Number(match[1]) === 1 && Number(match[2]) <= 2))) return;
  throw ociErrors.error("layout-invalid", `${label}: a directory of a version that is not known`);
}

const OWN_FILE =
  /^(?:version|manifest\.json|signature-[0-9]+|(?:sha(?:384|512)-)?[0-9a-f]{64,128}(?:\.manifest\.json|\.signature-[0-9]+)?)$/;

export class DirSink implements ImageTransportSink {
  readonly parallel = 4;
  readonly indexes = true;
  readonly #dir: Dir;
  readonly #sync: SyncPolicy;
  #top: ExactDocument | undefined;
  #others = false;

  /**
   * Takes over the directory. What an image before has left in it is removed; anything else there is
   * `oci/destination-conflict`.
   */
  constructor(dir: Dir, label: string, sync: SyncPolicy) {
    this.#dir = dir;
    this.#sync = sync;
    const names = dir.list().map(({ name }) => name);
    const foreign = names.find((name) => !OWN_FILE.test(name) && !isTempName(name));
    const marked = names.includes(utf8("version"));
    if (foreign !== undefined || (names.length > 0 && !marked)) {
      throw ociErrors.error("destination-conflict", `${label}: there is something else than an image in it`);
    }
    // The document that makes it an image goes first, so that half of one is none.
    for (const name of [utf8("manifest.json"), ...names]) dir.removeOptional(name);
  }

  async writeBlob(
    descriptor: Descriptor,
    open: () => Promise<BlobContent>,
    _role: unknown,
    options: OperationOptions = {},
  ): Promise<HowWritten> {
    const name = fileOf(descriptor.digest);
    this.#others ||= descriptor.digest.algorithm !== "sha256";
    if (this.#dir.statOptional(name)?.size === descriptor.size) return "reused";
    return await placeBlob(this.#dir, name, descriptor, await open(), this.#sync, options.signal);
  }

  async writeDocument(document: ExactDocument, top: boolean): Promise<void> {
    if (top) this.#top = document;
    else {
      this.#dir.atomicWrite(utf8(`${fileOf(document.digest)}.manifest.json`), document.bytes, {
        sync: this.#sync,
      });
    }
  }

  async commit(): Promise<void> {
    if (this.#top === undefined) return;
    const version = `Directory Transport Version: 1.${this.#others ? 2 : 1}\n`;
    this.#dir.atomicWrite(utf8("version"), Buffer.from(version), { sync: this.#sync });
    this.#dir.atomicWrite(utf8("manifest.json"), this.#top.bytes, { sync: this.#sync });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dir[Symbol.dispose]();
  }
}
