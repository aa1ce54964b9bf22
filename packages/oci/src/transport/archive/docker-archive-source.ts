// docker-archive: as a source: what `docker save` writes. It has no manifest, so one is made, of schema 2: layers by
// their diff ids, as containers/image does it. Layers may be compressed; they are handed out as plain tars.

import { type ByteString, type Digest, printDigest, utf8 } from "@bootc-store/core";

import { decompress, type DecompressOptions } from "../../decompress/decompress.ts";
import { ociErrors } from "../../errors.ts";
import { parseConfig } from "../../image/config.ts";
import { type Descriptor, type ExactDocument, exactDocument } from "../../image/descriptor.ts";
import { DOCUMENT_LIMIT } from "../../image/manifest.ts";
import { MEDIA_TYPES } from "../../image/media-types.ts";
import { Fields } from "../../json/fields.ts";
import { parseJson } from "../../json/parse.ts";
import {
  type DockerReference,
  parseDockerReference,
  printDockerReference,
  withDefaultTag,
} from "../../reference/docker-reference.ts";
import { blobNotFound } from "../checked.ts";
import { chunkOf } from "../chunks.ts";
import type { BlobContent, ImageTransportSource } from "../port.ts";
import { cleanName, type TarIndex } from "./tar-index.ts";

const MANIFEST_LIMIT = 1 << 20;

interface ArchivedImage {
  readonly config: ByteString;
  readonly tags: readonly string[];
  readonly layers: readonly ByteString[];
}

export interface DockerArchiveSelector {
  readonly reference?: DockerReference;
  readonly index?: number;
}

export class DockerArchiveSource implements ImageTransportSource {
  readonly #archive: TarIndex;
  readonly #document: ExactDocument;
  readonly #config: Uint8Array;
  readonly #configDigest: string;
  readonly #layers: ReadonlyMap<string, { readonly path: ByteString; readonly size: number }>;
  readonly #options: DecompressOptions;

  private constructor(
    archive: TarIndex,
    document: ExactDocument,
    config: ExactDocument,
    layers: ReadonlyMap<string, { readonly path: ByteString; readonly size: number }>,
    options: DecompressOptions,
  ) {
    this.#archive = archive;
    this.#document = document;
    this.#config = config.bytes;
    this.#configDigest = printDigest(config.digest);
    this.#layers = layers;
    this.#options = options;
  }

  /** Takes over the archive. Throws `oci/archive-invalid`, `oci/image-not-found`, `oci/image-not-unique`. */
  static async open(
    archive: TarIndex,
    selector: DockerArchiveSelector,
    options: DecompressOptions = {},
  ): Promise<DockerArchiveSource> {
    const image = selectImage(await readImages(archive), selector, archive.label);
    const bytes = await archive.readOptional(image.config, DOCUMENT_LIMIT);
    if (bytes === undefined) throw invalid(archive, "its configuration is not there");
    const config = parseConfig(bytes, { mediaType: MEDIA_TYPES.dockerConfig });
    if (config.diffIds.length !== image.layers.length) {
      throw ociErrors.error(
        "layer-count",
        `${archive.label}: ${image.layers.length} layers, ${config.diffIds.length} diff ids`,
      );
    }
    const layers = await measureLayers(archive, image.layers, config.diffIds, options);
    const document = makeManifest(config.document, config.diffIds, layers);
    return new DockerArchiveSource(archive, document, config.document, layers, options);
  }

  async readDocument(): Promise<ExactDocument> {
    return this.#document;
  }

  async readDocumentByDigest(descriptor: Descriptor): Promise<ExactDocument> {
    if (printDigest(descriptor.digest) === printDigest(this.#document.digest)) return this.#document;
    throw blobNotFound(descriptor, this.#archive.label);
  }

  async openBlob(descriptor: Descriptor): Promise<BlobContent> {
    const key = printDigest(descriptor.digest);
    if (key === this.#configDigest) return { size: this.#config.length, read: () => chunkOf(this.#config) };
    const layer = this.#layers.get(key);
    const content = layer === undefined ? undefined : this.#archive.openOptional(layer.path);
    if (layer === undefined || content === undefined) throw blobNotFound(descriptor, this.#archive.label);
    return { size: layer.size, read: () => decompress(content.read(), this.#options) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#archive[Symbol.asyncDispose]();
  }
}

async function readImages(archive: TarIndex): Promise<ArchivedImage[]> {
  const bytes = await archive.readOptional(utf8("manifest.json"), MANIFEST_LIMIT);
  if (bytes === undefined) throw invalid(archive, "there is no manifest.json");
  const refuse = (problem: string): Error => invalid(archive, problem);
  const list = parseJson(bytes, { what: "manifest.json" });
  if (!Array.isArray(list)) throw refuse("its manifest.json is not a list");
  return list.map((each, at) => {
    const fields = Fields.of(each, `manifest.json[${at}]`, refuse);
    return {
      config: cleanName(utf8(fields.string("Config"))),
      tags: fields.strings("RepoTags"),
      layers: fields.strings("Layers").map((path) => cleanName(utf8(path))),
    };
  });
}

function selectImage(
  images: readonly ArchivedImage[],
  { reference, index }: DockerArchiveSelector,
  label: string,
): ArchivedImage {
  if (index !== undefined) {
    const image = images[index];
    if (image !== undefined) return image;
    throw ociErrors.error("image-not-found", `${label}: no image @${index}, there are ${images.length}`);
  }
  if (reference !== undefined) {
    const wanted = printDockerReference(reference);
    const image = images.find(({ tags }) =>
      tags.some((tag) => printDockerReference(withDefaultTag(parseDockerReference(tag))) === wanted),
    );
    if (image !== undefined) return image;
    throw ociErrors.error("image-not-found", `${label}: no image "${wanted}"`);
  }
  const [image, ...more] = images;
  if (image === undefined) throw ociErrors.error("image-not-found", `${label}: there is no image in it`);
  if (more.length === 0) return image;
  throw ociErrors.error("image-not-unique", `${label}: there are ${images.length} images in it`);
}

async function measureLayers(
  archive: TarIndex,
  paths: readonly ByteString[],
  diffIds: readonly Digest[],
  options: DecompressOptions,
): Promise<Map<string, { path: ByteString; size: number }>> {
  const layers = new Map<string, { path: ByteString; size: number }>();
  const owners = new Map<ByteString, string>();
  for (const [at, path] of paths.entries()) {
    const key = printDigest(diffIds[at] as Digest);
    const content = archive.openOptional(path);
    if (content === undefined) throw invalid(archive, `the layer "${path.slice(0, 200)}" is not there`);
    if (layers.has(key)) continue;
    if ((owners.get(path) ?? key) !== key) throw invalid(archive, "one layer file has two diff ids");
    owners.set(path, key);
    let size = 0;
    for await (const chunk of decompress(content.read(), options)) size += chunk.length;
    layers.set(key, { path, size });
  }
  return layers;
}

function makeManifest(
  config: ExactDocument,
  diffIds: readonly Digest[],
  layers: ReadonlyMap<string, { readonly size: number }>,
): ExactDocument {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.dockerManifest,
    config: {
      mediaType: MEDIA_TYPES.dockerConfig,
      size: config.bytes.length,
      digest: printDigest(config.digest),
    },
    layers: diffIds.map((diffId) => ({
      mediaType: MEDIA_TYPES.dockerLayer,
      size: layers.get(printDigest(diffId))?.size ?? 0,
      digest: printDigest(diffId),
    })),
  };
  return exactDocument(MEDIA_TYPES.dockerManifest, Buffer.from(JSON.stringify(manifest)));
}

function invalid(archive: TarIndex, problem: string): Error {
  return ociErrors.error("archive-invalid", `${archive.label}: ${problem}`);
}
