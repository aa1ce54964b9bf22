// OCI images in a repository: layers, configuration and manifest as streams, the EROFS images that are made of them, and a
// tag that keeps them. The order is composefs-rs': whatever is referred to is there and on the disk before.

import {
  type Image,
  type ImageLayer,
  type ImageSummary,
  type ImageWriteOptions,
  TallyBuilder,
  type WrittenImage,
} from "@bootc-store/backend";
import {
  type Digest,
  isStoreError,
  parseDigest,
  parseDigestOptional,
  printDigest,
  throwIfAborted,
} from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";
import { copyTree, type Tree } from "@bootc-store/tree";

import { composefsErrors } from "../errors.ts";
import type { ErofsVersion } from "../format/meta-json.ts";
import { isDamage } from "../maintenance/references.ts";
import type { Repository } from "../repository/repository.ts";
import { listObjectLinks, linkResolves } from "../streams/links.ts";
import { listTags, readTag, writeTag } from "../streams/tags.ts";
import { streamId } from "../streams/store.ts";
import {
  digestOfStreamName,
  type DocumentKind,
  documentStreamName,
  imageReference,
  layerReferences,
  readDocument,
  type StoredDocument,
  writeDocument,
} from "./documents.ts";
import { encodeImage, storeImage } from "./erofs-image.ts";
import { layerIsWhole, layerStreamName, openLayer, type WrittenComposefsLayer, writeLayer } from "./layer.ts";
import { transformForBoot, transformForOci, type XattrMode } from "./transform.ts";
import { treeOfLayers } from "./tree.ts";
import { utf8 } from "@bootc-store/core";

export interface WriteImageOptions extends ImageWriteOptions {
  /** Also the image for booting: `/boot` and `/sysroot` emptied, everything labelled. */
  readonly bootable?: boolean;
  /** Attributes that the image for booting keeps; the plain one is always made with `allowlist-only`. */
  readonly xattrs?: XattrMode;
  /** Reads layers whose blobs are files, several at a time. */
  readonly pool?: Pool;
  /**
   * Ends idle threads of the pool when the layers are written, since what follows is done on one thread and takes memory of its
   * own. For a process that writes one image: others would only have to start them again.
   */
  readonly restPool?: boolean;
  /** Its layers are blobs of whatever kind, each with its own digest as its diff id, and nothing can be made of them. */
  readonly artifact?: boolean;
}

/** What was made of an image, by format: ids of its EROFS images. */
export interface ErofsIds {
  readonly plain: ReadonlyMap<ErofsVersion, string>;
  readonly boot: ReadonlyMap<ErofsVersion, string>;
}

export interface WrittenComposefsImage extends WrittenImage {
  readonly erofs: ErofsIds;
  /** Ids of the streams of its documents: of a manifest that was not there before, that of its first form. */
  readonly streams: { readonly manifest: string; readonly config: string };
  /** Bytes that are in the streams of its layers themselves. */
  readonly inlined: number;
}

/** Writes an image with its EROFS images in the repository's formats. What is there already is not done again. */
export async function writeImage(
  repository: Repository,
  image: Image,
  options: WriteImageOptions = {},
): Promise<WrittenComposefsImage> {
  return await repository.writing(async () => await writeParts(repository, image, options));
}

async function writeParts(
  repository: Repository,
  image: Image,
  options: WriteImageOptions,
): Promise<WrittenComposefsImage> {
  const tally = new TallyBuilder();
  let inlined = 0;
  const created = await writeLayers(repository, image, options, (written) => {
    inlined += written.inlined;
    tally.addAll(written.content);
  });
  if (created.size > 0 && options.restPool === true) await options.pool?.rest();
  const layers = image.layers.map(({ diffId }, index) => ({
    diffId,
    created: created.has(index),
    id: layerId(repository, diffId),
  }));
  const references = layerReferences(layers);
  const known = streamId(repository, documentStreamName("config", image.config.digest));
  const attached =
    known === undefined
      ? new Map<string, string>()
      : (await readDocument(repository, "config", image.config.digest)).references;
  // First without its images, so that what is made next has something to belong to if this ends here.
  const first =
    known === undefined ? await writeConfigAndManifest(repository, image, references, []) : undefined;
  const erofs =
    options.artifact === true
      ? { plain: new Map<ErofsVersion, string>(), boot: new Map<ErofsVersion, string>() }
      : await makeImages(repository, layers, attached, options);
  const images = imageReferences(erofs, attached, xattrSuffix(options.xattrs));
  if (
    images.some(([name, id]) => attached.get(name) !== id) ||
    streamId(repository, documentStreamName("manifest", image.manifest.digest)) === undefined
  ) {
    await writeConfigAndManifest(repository, image, references, images);
  }
  const names = options.names ?? [];
  // A tag that leads nowhere would stop every collection, so it is written when what it names is there to stay.
  if (names.length > 0) repository.flush();
  for (const name of names) writeTag(repository, name, documentStreamName("manifest", image.manifest.digest));
  if (names.length > 0) repository.flush();
  return {
    id: printDigest(image.manifest.digest),
    created: known === undefined,
    layers: layers.map(({ diffId, created }) => ({ diffId, created })),
    content: tally.tally(),
    erofs,
    inlined,
    streams: {
      manifest: first ?? documentId(repository, "manifest", image.manifest.digest),
      config: documentId(repository, "config", image.config.digest),
    },
  };
}

/** Layers at a time: as many as there are threads that take them over, but never many large ones at once. */
const MOST_LAYERS = 2;

/** Writes the layers that are not there; of those the numbers are returned. */
async function writeLayers(
  repository: Repository,
  image: Image,
  options: WriteImageOptions,
  add: (written: WrittenComposefsLayer) => void,
): Promise<ReadonlySet<number>> {
  const created = new Set<number>();
  const seen = new Set<string>();
  const waiting = image.layers.entries();
  const writeSome = async (): Promise<void> => {
    for (const [index, { diffId }] of waiting) {
      throwIfAborted(options.signal);
      // The same layer twice is one.
      if (seen.has(printDigest(diffId))) continue;
      seen.add(printDigest(diffId));
      if (await layerIsWhole(repository, diffId)) continue;
      const written = await writeLayer(repository, await image.openLayer(index, options), {
        ...options,
        as: options.artifact === true ? "blob" : "tar",
      });
      add(written);
      if (written.created) created.add(index);
    }
  };
  const lanes = Math.max(1, Math.min(MOST_LAYERS, options.pool?.size ?? 1));
  const ends = await Promise.allSettled(Array.from({ length: lanes }, writeSome));
  const failed = ends.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return created;
}

function documentId(repository: Repository, kind: DocumentKind, digest: Digest): string {
  const name = documentStreamName(kind, digest);
  const id = streamId(repository, name);
  if (id === undefined) throw composefsErrors.error("stream-missing", `there is no stream ${name}`);
  return id;
}

async function writeConfigAndManifest(
  repository: Repository,
  image: Image,
  layers: readonly [string, string][],
  images: readonly (readonly [string, string])[],
): Promise<string> {
  const { config, manifest } = image;
  const configId = await writeDocument(repository, "config", config.digest, config.bytes, [
    ...layers,
    ...images,
  ]);
  const references = [[`config:${printDigest(config.digest)}`, configId] as const, ...layers];
  const id = await writeDocument(repository, "manifest", manifest.digest, manifest.bytes, references);
  await followConfig(
    repository,
    `config:${printDigest(config.digest)}`,
    configId,
    printDigest(manifest.digest),
  );
  return id;
}

/** Other manifests of the same configuration name its stream as it is now, so that a collection finds it by either. */
async function followConfig(
  repository: Repository,
  name: string,
  configId: string,
  written: string,
): Promise<void> {
  for (const { name: stream } of listObjectLinks(repository, "streams")) {
    const digest = digestOfStreamName("manifest", stream);
    if (digest === undefined || printDigest(digest) === written) continue;
    const other = await readWhole(repository, digest);
    const known = other?.references.get(name);
    if (other === undefined || known === undefined || known === configId) continue;
    const references = [...other.references].map(
      ([each, id]) => [each, each === name ? configId : id] as const,
    );
    await writeDocument(repository, "manifest", digest, other.bytes, references);
  }
}

/** A manifest, unless it is damaged: what a check tells of does not keep another image from being stored. */
async function readWhole(repository: Repository, digest: Digest): Promise<StoredDocument | undefined> {
  try {
    return await readDocument(repository, "manifest", digest);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** EROFS images that are not attached yet, and the ids of all. */
async function makeImages(
  repository: Repository,
  layers: readonly { readonly diffId: Digest }[],
  attached: ReadonlyMap<string, string>,
  options: WriteImageOptions,
): Promise<ErofsIds> {
  const versions = repository.imageFormats;
  const kinds = options.bootable === true ? [false, true] : [false];
  const suffix = xattrSuffix(options.xattrs);
  const ids = { plain: new Map<ErofsVersion, string>(), boot: new Map<ErofsVersion, string>() };
  let merged: Tree | undefined;
  for (const boot of kinds) {
    const found = boot ? ids.boot : ids.plain;
    const missing = versions.filter((version) => {
      const id = attached.get(imageReference(version, boot) + (boot ? suffix : ""));
      if (id === undefined || !linkResolves(repository, utf8(`images/${id}`))) return true;
      found.set(version, id);
      return false;
    });
    if (missing.length === 0) continue;
    merged ??= await treeOfLayers(
      repository,
      layers.map(({ diffId }) => diffId),
      options.signal,
    );
    const tree = kinds.length === 1 ? merged : copyTree(merged);
    transformForOci(tree, boot ? options.xattrs : undefined);
    if (boot) transformForBoot(tree, repository.objects);
    for (const version of missing) found.set(version, storeImage(repository, encodeImage(tree, version)));
  }
  return ids;
}

/** The tree of a configuration's layers as an image of it has it. Writes nothing. */
export async function treeOfConfig(
  repository: Repository,
  config: Digest,
  options: Pick<WriteImageOptions, "bootable" | "xattrs" | "signal"> = {},
): Promise<Tree> {
  const { bytes } = await readDocument(repository, "config", config);
  const tree = await treeOfLayers(repository, diffIdsOf(bytes), options.signal);
  transformForOci(tree, options.xattrs);
  if (options.bootable === true) transformForBoot(tree, repository.objects);
  return tree;
}

/** Makes the image for booting of an image that is there, in one format, and attaches it. Returns its id. */
export async function attachBootImage(
  repository: Repository,
  image: Image,
  version: ErofsVersion,
  xattrs: XattrMode,
): Promise<string> {
  return await repository.writing(async () => {
    const config = await readDocument(repository, "config", image.config.digest);
    const tree = await treeOfConfig(repository, image.config.digest, { bootable: true, xattrs });
    const id = storeImage(repository, encodeImage(tree, version));
    const layers = [...config.references].filter(([name]) => !name.startsWith("composefs.image"));
    const erofs: ErofsIds = { plain: new Map(), boot: new Map([[version, id]]) };
    const images = imageReferences(erofs, config.references, xattrSuffix(xattrs));
    await writeConfigAndManifest(repository, image, layers, images);
    return id;
  });
}

/** References in the order in which composefs-rs attaches images, those that were there before kept. */
function imageReferences(
  erofs: ErofsIds,
  attached: ReadonlyMap<string, string>,
  bootSuffix: string,
): [string, string][] {
  const references = new Map([...attached].filter(([name]) => name.startsWith("composefs.image")));
  for (const boot of [false, true]) {
    const ids = boot ? erofs.boot : erofs.plain;
    for (const version of [2, 1, 0] as const) {
      const id = ids.get(version);
      if (id !== undefined) references.set(imageReference(version, boot) + (boot ? bootSuffix : ""), id);
    }
  }
  return [...references];
}

function xattrSuffix(mode: XattrMode | undefined): string {
  return mode === "keep-user-xattrs" ? ".xattrs=keep-user-xattrs" : "";
}

function layerId(repository: Repository, diffId: Digest): string {
  const id = streamId(repository, layerStreamName(diffId));
  if (id === undefined)
    throw composefsErrors.error("layer-missing", `layer ${printDigest(diffId)} is not there`);
  return id;
}

/** Opens an image by tag or manifest digest; `undefined` if there is none. */
export async function openImage(repository: Repository, reference: string): Promise<Image | undefined> {
  const digest = resolveManifest(repository, reference);
  if (digest === undefined || streamId(repository, documentStreamName("manifest", digest)) === undefined)
    return undefined;
  const manifest = await readDocument(repository, "manifest", digest);
  const configDigest = [...manifest.references.keys()].find((name) => name.startsWith("config:"));
  const parsed =
    configDigest === undefined ? undefined : parseDigestOptional(configDigest.slice("config:".length));
  if (parsed === undefined) {
    throw composefsErrors.error("stream-invalid", `manifest ${printDigest(digest)} keeps no configuration`);
  }
  const config = await readDocument(repository, "config", parsed);
  const layers = layersOf(manifest.bytes, config.bytes);
  return {
    manifest: { mediaType: mediaTypeOf(manifest.bytes), digest, bytes: manifest.bytes },
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: parsed, bytes: config.bytes },
    layers,
    async openLayer(index) {
      const wanted = layers[index];
      const layer = wanted === undefined ? undefined : await openLayer(repository, wanted.diffId);
      if (layer !== undefined) return layer;
      throw composefsErrors.error(
        "layer-missing",
        `image ${reference} has no layer ${index} in the repository`,
      );
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** All manifests that have a stream, with their tags. */
export async function* listImages(repository: Repository): AsyncGenerator<ImageSummary> {
  const tags = new Map<string, string[]>();
  for (const { name, stream } of listTags(repository)) tags.set(stream, [...(tags.get(stream) ?? []), name]);
  for (const { name } of listObjectLinks(repository, "streams")) {
    const digest = digestOfStreamName("manifest", name);
    if (digest === undefined) continue;
    yield { id: printDigest(digest), names: tags.get(name) ?? [], manifestDigest: digest };
  }
}

/** Ids of the EROFS images that belong to an image, by the names under which its configuration keeps them. */
export async function erofsIdsOf(repository: Repository, configDigest: Digest): Promise<Map<string, string>> {
  const { references } = await readDocument(repository, "config", configDigest);
  return new Map([...references].filter(([name]) => name.startsWith("composefs.image")));
}

function resolveManifest(repository: Repository, reference: string): Digest | undefined {
  const direct = parseDigestOptional(reference.replace(/^@/, ""));
  if (direct !== undefined) return direct;
  try {
    const stream = readTag(repository, reference);
    return stream === undefined ? undefined : digestOfStreamName("manifest", stream);
  } catch (error) {
    if (isStoreError(error, "composefs/stream-name-invalid")) return undefined;
    throw error;
  }
}

function layersOf(manifestBytes: Uint8Array, configBytes: Uint8Array): ImageLayer[] {
  const manifest = json(manifestBytes) as {
    layers?: { digest?: string; size?: number; mediaType?: string }[];
  };
  return diffIdsOf(configBytes).map((diffId, index) => {
    const blob = manifest.layers?.[index];
    const digest = parseDigestOptional(blob?.digest ?? "");
    return {
      diffId,
      ...(digest === undefined || typeof blob?.size !== "number" || typeof blob.mediaType !== "string"
        ? {}
        : { blob: { digest, size: blob.size, mediaType: blob.mediaType } }),
    };
  });
}

function diffIdsOf(configBytes: Uint8Array): Digest[] {
  const { rootfs } = json(configBytes) as { rootfs?: { diff_ids?: string[] } };
  return (rootfs?.diff_ids ?? []).map(parseDigest);
}

function mediaTypeOf(manifest: Uint8Array): string {
  const { mediaType } = json(manifest) as { mediaType?: unknown };
  return typeof mediaType === "string" ? mediaType : "application/vnd.oci.image.manifest.v1+json";
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  } catch (error) {
    throw composefsErrors.error("stream-invalid", "a manifest or configuration is not JSON", {
      cause: error,
    });
  }
}
