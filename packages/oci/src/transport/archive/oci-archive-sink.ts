// oci-archive: as a destination: a tar of a layout with this one image. It replaces the file that was there.

import { type ByteString, type OperationOptions, printDigest, utf8 } from "@bootc-store/core";
import type { Dir, SyncPolicy } from "@bootc-store/linux";

import type { Descriptor, ExactDocument } from "../../image/descriptor.ts";
import { checkedBlob } from "../checked.ts";
import { abortable } from "../chunks.ts";
import { addEntry } from "../layout/layout-index.ts";
import { blobPath, LAYOUT_MARKER } from "../layout/layout-source.ts";
import type { BlobContent, HowWritten, ImageTransportSink } from "../port.ts";
import { TarFileWriter } from "./tar-file-writer.ts";

export class OciArchiveSink implements ImageTransportSink {
  readonly parallel = 1;
  readonly indexes = true;
  readonly #dir: Dir;
  readonly #fileName: ByteString;
  readonly #name: string | undefined;
  readonly #sync: SyncPolicy;
  readonly #tar: TarFileWriter;
  readonly #written = new Set<string>();
  #top: ExactDocument | undefined;

  /** Takes over the directory. */
  constructor(dir: Dir, fileName: ByteString, name: string | undefined, sync: SyncPolicy) {
    this.#dir = dir;
    this.#fileName = fileName;
    this.#name = name;
    this.#sync = sync;
    this.#tar = new TarFileWriter(dir);
  }

  async writeBlob(
    descriptor: Descriptor,
    open: () => Promise<BlobContent>,
    _role: unknown,
    options: OperationOptions = {},
  ): Promise<HowWritten> {
    const key = printDigest(descriptor.digest);
    if (this.#written.has(key)) return "reused";
    this.#written.add(key);
    const content = await open();
    await this.#tar.add(blobPath(descriptor), abortable(checkedBlob(content, descriptor), options.signal));
    return "copied";
  }

  async writeDocument(document: ExactDocument, top: boolean): Promise<void> {
    if (top) this.#top = document;
    const key = printDigest(document.digest);
    if (this.#written.has(key)) return;
    this.#written.add(key);
    await this.#tar.add(blobPath(document), [document.bytes]);
  }

  async commit(): Promise<void> {
    if (this.#top === undefined) return;
    await this.#tar.add(utf8("oci-layout"), [LAYOUT_MARKER]);
    await this.#tar.add(utf8("index.json"), [addEntry(undefined, this.#top, this.#name)]);
    this.#tar.publish(this.#fileName, this.#sync);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tar[Symbol.dispose]();
    this.#dir[Symbol.dispose]();
  }
}
