// oci: as a destination. Blobs are published under their digests one by one; the index, which makes the image
// visible, is replaced last.

import { type OperationOptions, utf8 } from "@bootc-store/core";
import { type Dir, type SyncPolicy } from "@bootc-store/linux";

import type { Descriptor, ExactDocument } from "../../image/descriptor.ts";
import { DOCUMENT_LIMIT } from "../../image/manifest.ts";
import { placeBlob } from "../place.ts";
import type { BlobContent, HowWritten, ImageTransportSink } from "../port.ts";
import { addEntry } from "./layout-index.ts";
import { blobPath, LAYOUT_MARKER } from "./layout-source.ts";

export class LayoutSink implements ImageTransportSink {
  readonly parallel = 4;
  readonly indexes = true;
  readonly #dir: Dir;
  readonly #name: string | undefined;
  readonly #sync: SyncPolicy;
  #top: ExactDocument | undefined;

  /** Takes over the directory, which may be empty. */
  constructor(dir: Dir, name: string | undefined, sync: SyncPolicy) {
    this.#dir = dir;
    this.#name = name;
    this.#sync = sync;
  }

  async writeBlob(
    descriptor: Descriptor,
    open: () => Promise<BlobContent>,
    _role: unknown,
    options: OperationOptions = {},
  ): Promise<HowWritten> {
    const path = blobPath(descriptor);
    // A blob that is there was published whole under its digest.
    if (this.#dir.statOptional(path)?.size === descriptor.size) return "reused";
    using blobs = this.#blobs(descriptor);
    return await placeBlob(
      blobs,
      utf8(descriptor.digest.hex),
      descriptor,
      await open(),
      this.#sync,
      options.signal,
    );
  }

  async writeDocument(document: ExactDocument, top: boolean): Promise<void> {
    using blobs = this.#blobs(document);
    blobs.atomicWrite(utf8(document.digest.hex), document.bytes, { sync: this.#sync });
    if (top) this.#top = document;
  }

  async commit(options: OperationOptions = {}): Promise<void> {
    const top = this.#top;
    if (top === undefined) return;
    // Two of us at once must not lose each other's entry.
    using _lock = await this.#dir.lock(undefined, {
      kind: "flock",
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    this.#dir.atomicWrite(utf8("oci-layout"), LAYOUT_MARKER, { sync: this.#sync });
    const before = this.#dir.readFileOptional(utf8("index.json"), { limit: DOCUMENT_LIMIT });
    this.#dir.atomicWrite(utf8("index.json"), addEntry(before, top, this.#name), { sync: this.#sync });
  }

  #blobs({ digest }: Pick<Descriptor, "digest">): Dir {
    const path = utf8(`blobs/${digest.algorithm}`);
    this.#dir.ensureDir(path, { parents: true });
    return this.#dir.openDir(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dir[Symbol.dispose]();
  }
}
