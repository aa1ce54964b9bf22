// oci: and oci-archive: as sources. `oci-layout` is looked at where it is there; containers/image does without.

import { type ByteString, type OperationOptions, utf8 } from "@bootc-store/core";

import { ociErrors } from "../../errors.ts";
import { type Descriptor, embeddedData, type ExactDocument } from "../../image/descriptor.ts";
import { DOCUMENT_LIMIT, type ImageIndex, parseManifest } from "../../image/manifest.ts";
import { MEDIA_TYPES } from "../../image/media-types.ts";
import { Fields } from "../../json/fields.ts";
import { parseJson } from "../../json/parse.ts";
import type { ImageSelector } from "../../reference/image-reference.ts";
import { blobNotFound, collectChecked } from "../checked.ts";
import { chunkOf } from "../chunks.ts";
import type { FileStore } from "../file-store.ts";
import type { BlobContent, ImageTransportSource } from "../port.ts";
import { selectEntry } from "./layout-index.ts";

const LAYOUT_VERSION = "1.0.0";

/** Where a blob is in a layout. Safe with any digest, since a parsed one is nothing but letters and digits. */
export function blobPath({ digest }: Pick<Descriptor, "digest">): ByteString {
  return utf8(`blobs/${digest.algorithm}/${digest.hex}`);
}

export class LayoutSource implements ImageTransportSource {
  readonly #store: FileStore;
  readonly #image: Descriptor;

  private constructor(store: FileStore, image: Descriptor) {
    this.#store = store;
    this.#image = image;
  }

  /** Takes over the store. Throws `oci/layout-invalid`, `oci/image-not-found`, `oci/image-not-unique`. */
  static async open(store: FileStore, selector: ImageSelector): Promise<LayoutSource> {
    const index = await readLayoutIndex(store);
    return new LayoutSource(store, selectEntry(index, selector, store.label));
  }

  async readDocument(): Promise<ExactDocument> {
    return await this.readDocumentByDigest(this.#image);
  }

  async readDocumentByDigest(descriptor: Descriptor): Promise<ExactDocument> {
    const bytes = await collectChecked(await this.openBlob(descriptor), descriptor, DOCUMENT_LIMIT);
    return parseManifest(bytes, { mediaType: descriptor.mediaType, digest: descriptor.digest }).document;
  }

  async openBlob(descriptor: Descriptor, _options?: OperationOptions): Promise<BlobContent> {
    const found = this.#store.openOptional(blobPath(descriptor));
    if (found !== undefined) return found;
    const data = embeddedData(descriptor);
    if (data === undefined) throw blobNotFound(descriptor, this.#store.label);
    return { size: data.length, read: () => chunkOf(data) };
  }

  blobFile(descriptor: Descriptor): BlobContent["file"] {
    return this.#store.openOptional(blobPath(descriptor))?.file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}

/** The index of a layout. Throws `oci/layout-invalid`. */
export async function readLayoutIndex(store: FileStore): Promise<ImageIndex> {
  const marker = await store.readOptional(utf8("oci-layout"), DOCUMENT_LIMIT);
  if (marker !== undefined) {
    const refuse = (problem: string): Error =>
      ociErrors.error("layout-invalid", `${store.label}: ${problem}`);
    const version = Fields.of(parseJson(marker, { what: "oci-layout" }), "oci-layout", refuse).string(
      "imageLayoutVersion",
    );
    if (version !== LAYOUT_VERSION)
      throw refuse(`a layout of version "${version.slice(0, 40)}" is not known`);
  }
  const bytes = await store.readOptional(utf8("index.json"), DOCUMENT_LIMIT);
  if (bytes === undefined) throw ociErrors.error("layout-invalid", `${store.label}: there is no index.json`);
  const index = parseManifest(bytes, { mediaType: MEDIA_TYPES.index });
  if (index.kind === "index") return index;
  throw ociErrors.error("layout-invalid", `${store.label}: its index.json is not an index`);
}

/** The bytes of `oci-layout`. */
export const LAYOUT_MARKER = Buffer.from(JSON.stringify({ imageLayoutVersion: LAYOUT_VERSION }));
