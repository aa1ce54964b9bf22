import { createHash } from "node:crypto";
import { createGzip, constants } from "node:zlib";
import {
  canonicalJson,
  type ByteString,
  type Digest,
  printDigest,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import type { File } from "@bootc-store/linux";
import {
  type Descriptor,
  exactDocument,
  hostPlatform,
  type ImageTransportSink,
  type JsonObject,
  type JsonValue,
  MEDIA_TYPES,
} from "@bootc-store/oci";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { lookupValue } from "../gvariant/index.ts";
import { HEADS } from "../repo/refs.ts";
import type { Repo } from "../repo/repo.ts";
import { chunkLayer, commitLayer, contentsOf, treeLayer } from "./export-layer.ts";
import type { StoredImage } from "./images.ts";
import { layerRef } from "./refs.ts";

/** Which contents are layers of their own. */
export interface ContentMetadata {
  /** When the image was made, in the form of RFC 3339. */
  readonly created?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Names of components by their ids, in the order of the layers. */
  readonly components: ReadonlyMap<string, string>;
  /** Ids of components by checksums of contents. */
  readonly mapping: ReadonlyMap<Checksum, string>;
}

export interface EncapsulateOptions {
  readonly labels?: Readonly<Record<string, string>>;
  /** Keys of the commit's metadata that become labels; a key that is not there is an error. */
  readonly copyMetadata?: readonly string[];
  /** The same, passed over where they are not there. */
  readonly copyMetadataOptional?: readonly string[];
  readonly cmd?: readonly string[];
  /** The `config` of a configuration, which the image's begins with. */
  readonly runConfig?: JsonObject;
  readonly contents?: ContentMetadata;
  /** Compresses fast instead of well. */
  readonly fast?: boolean;
  readonly signal?: AbortSignal;
}

const RESERVED = "Reserved for new packages";

/**
 * Writes a commit as an image: a layer of ostree objects, and where contents are grouped one for each group and one that is
 * kept empty. The same commit gives the same layers each time. Returns the manifest's digest.
 */
export async function encapsulate(
  repo: Repo,
  commit: Checksum,
  sink: ImageTransportSink,
  options: EncapsulateOptions = {},
): Promise<Digest> {
  const { metadata, subject, timestamp } = repo.readCommit(commit);
  const text = (key: string): string | undefined => lookupValue(metadata, key, "s");
  const writer = new ImageWriter(repo, sink, options);
  const { contents: meta } = options;
  const created = meta?.created ?? printTime(timestamp);
  const contents = contentsOf(repo, commit);
  const chunks = meta === undefined ? [] : takeChunks(contents, meta);
  const comment = subject === "" ? `ostree export of commit ${commit}` : subject;
  await writer.layer(commitLayer(repo, commit, contents), { created, created_by: comment });
  for (const { id, name, contents: own } of chunks) {
    await writer.layer(chunkLayer(repo, own), { created, created_by: id }, { "ostree.components": name });
  }
  const bootable = lookupValue(metadata, "ostree.bootable", "b") === true;
  const linux = text("ostree.linux");
  const version = text("version");
  const labels: Record<string, string> = {
    ...meta?.labels,
    ...copied(text, options),
    ...options.labels,
    ...(bootable ? { "containers.bootc": "1", "ostree.bootable": "true" } : {}),
    ...(linux === undefined ? {} : { "ostree.linux": linux }),
    ...(version === undefined ? {} : { "org.opencontainers.image.version": version }),
    "ostree.commit": commit,
    "ostree.final-diffid": writer.lastDiffId,
  };
  const cmd = options.cmd ?? lookupValue(metadata, "ostree.container-cmd", "as");
  const run = options.runConfig ?? {};
  const before = run["Labels"];
  const { architecture, os } = hostPlatform();
  const config: JsonObject = {
    architecture,
    os,
    created,
    config: {
      ...run,
      ...(cmd === undefined ? {} : { Cmd: cmd }),
      Labels: { ...(isObject(before) ? before : {}), ...labels },
    },
  };
  return await writer.finish(config, { annotations: labels });
}

/** Writes a stored image again. Layers of ostree objects are the same as before; layers of files hold what is kept of them. */
export async function reexport(
  repo: Repo,
  image: StoredImage,
  sink: ImageTransportSink,
  options: Pick<EncapsulateOptions, "fast" | "signal"> = {},
): Promise<Digest> {
  if (image.config === undefined)
    throw ostreeErrors.error("image-document-invalid", `${image.ref}: there is no configuration`);
  const config = JSON.parse(image.config) as JsonObject;
  const manifest = JSON.parse(image.manifest) as JsonObject;
  const writer = new ImageWriter(repo, sink, options);
  const steps = Array.isArray(config["history"]) ? (config["history"] as readonly JsonObject[]) : [];
  const commits = image.layers.map(({ digest }) => layerCommit(repo, digest));
  const last = image.base === undefined ? -1 : lastObjectLayer(image, config);
  // As the real program does it: layers of files take the image's steps from the first on, whatever is below them.
  const step = (at: number): JsonObject => ({
    created: steps[at - last - 1]?.["created"] ?? config["created"] ?? "",
    created_by: steps[at - last - 1]?.["comment"] ?? "",
  });
  const contents =
    image.base === undefined ? new Map<Checksum, ByteString[]>() : contentsOf(repo, image.base);
  const chunks = commits.slice(1, last + 1).map((commit) => {
    const own = new Map<Checksum, ByteString[]>();
    for (const checksum of repo.readDirtree(repo.readCommit(commit).tree).files.values()) {
      own.set(checksum, contents.get(checksum) ?? []);
      contents.delete(checksum);
    }
    return own;
  });
  for (const [at, commit] of commits.entries()) {
    if (at === 0 && last >= 0) await writer.layer(commitLayer(repo, commit, contents), step(at));
    else if (at <= last) {
      await writer.layer(chunkLayer(repo, chunks[at - 1] as Map<Checksum, ByteString[]>), step(at), {
        "ostree.components": "",
      });
    } else await writer.layer(treeLayer(repo, commit), step(at));
  }
  const { history: _history, rootfs: _rootfs, ...kept } = config;
  const { mediaType } = manifest;
  return await writer.finish(kept, mediaType === undefined ? {} : { mediaType });
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function layerCommit(repo: Repo, digest: string): Checksum {
  const commit = repo.refs.read(HEADS, layerRef(digest));
  if (commit !== undefined) return commit;
  throw ostreeErrors.error("object-not-found", `the layer ${digest} has no commit`, { context: { digest } });
}

function lastObjectLayer(image: StoredImage, config: JsonObject): number {
  const run = config["config"] as { readonly Labels?: Readonly<Record<string, string>> } | undefined;
  const final = run?.Labels?.["ostree.final-diffid"];
  const at = image.layers.findIndex(({ diffId }) => diffId === final);
  if (at >= 0) return at;
  throw ostreeErrors.error("image-layout-invalid", `Missing ostree.final-diffid ${final ?? ""}`);
}

interface Chunk {
  readonly id: string;
  readonly name: string;
  readonly contents: Map<Checksum, ByteString[]>;
}

/** Takes the contents of components out of all contents. */
function takeChunks(contents: Map<Checksum, ByteString[]>, meta: ContentMetadata): Chunk[] {
  const chunks = Array.from(meta.components, ([id, name]): Chunk => ({ id, name, contents: new Map() }));
  const byId = new Map(chunks.map((chunk) => [chunk.id, chunk]));
  for (const [checksum, id] of meta.mapping) {
    const chunk = byId.get(id);
    const paths = contents.get(checksum);
    if (chunk === undefined) {
      throw ostreeErrors.error(
        "image-document-invalid",
        `the content ${checksum} is in no known component: ${id}`,
      );
    }
    if (paths === undefined) continue;
    chunk.contents.set(checksum, paths);
    contents.delete(checksum);
  }
  return [...chunks, { id: RESERVED, name: "", contents: new Map() }];
}

function copied(
  text: (key: string) => string | undefined,
  { copyMetadata = [], copyMetadataOptional = [] }: EncapsulateOptions,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const key of [...copyMetadata, ...copyMetadataOptional]) {
    const value = text(key);
    if (value !== undefined) found[key] = value;
    else if (copyMetadata.includes(key))
      throw ostreeErrors.error("path-not-found", `Could not find commit metadata key: ${key}`);
  }
  return found;
}

function printTime(seconds: bigint): string {
  return new Date(Number(BigInt.asIntN(64, seconds)) * 1000).toISOString().replace(".000Z", "Z");
}

/** Writes layers as they are made, then the documents. */
class ImageWriter {
  readonly #repo: Repo;
  readonly #sink: ImageTransportSink;
  readonly #options: Pick<EncapsulateOptions, "fast" | "signal">;
  readonly #layers: JsonObject[] = [];
  readonly #history: JsonObject[] = [];
  readonly #diffIds: string[] = [];

  constructor(repo: Repo, sink: ImageTransportSink, options: Pick<EncapsulateOptions, "fast" | "signal">) {
    this.#repo = repo;
    this.#sink = sink;
    this.#options = options;
  }

  get lastDiffId(): string {
    return this.#diffIds.at(-1) ?? "";
  }

  async layer(tar: AsyncIterable<Uint8Array>, step: JsonObject, annotations?: JsonObject): Promise<void> {
    this.#repo.dir.ensureDir(utf8("tmp"));
    using tmp = this.#repo.dir.openDir(utf8("tmp"));
    using temporary = tmp.tempFile();
    const { diffId, digest, size } = await this.#compress(tar, temporary.file);
    const descriptor: Descriptor = {
      mediaType: MEDIA_TYPES.layerGzip,
      digest: { algorithm: "sha256", hex: digest },
      size,
    };
    await this.#sink.writeBlob(
      descriptor,
      async () => ({ size, read: () => readAll(temporary.file, size) }),
      "layer",
      this.#signal,
    );
    this.#layers.push({
      mediaType: descriptor.mediaType,
      digest: printDigest(descriptor.digest),
      size,
      ...(annotations === undefined ? {} : { annotations }),
    });
    this.#diffIds.push(diffId);
    this.#history.push(step);
  }

  async #compress(tar: AsyncIterable<Uint8Array>, into: File) {
    const plain = createHash("sha256");
    const packed = createHash("sha256");
    let size = 0;
    const gzip = createGzip({ level: this.#options.fast === true ? 1 : constants.Z_DEFAULT_COMPRESSION });
    const feed = (async () => {
      for await (const piece of tar) {
        throwIfAborted(this.#options.signal);
        plain.update(piece);
        if (!gzip.write(Buffer.from(piece)))
          await new Promise<void>((resolve) => gzip.once("drain", resolve));
      }
      gzip.end();
    })();
    feed.catch((error: Error) => gzip.destroy(error));
    for await (const piece of gzip as AsyncIterable<Uint8Array>) {
      into.write(piece);
      packed.update(piece);
      size += piece.length;
    }
    await feed;
    return { diffId: `sha256:${plain.digest("hex")}`, digest: packed.digest("hex"), size };
  }

  async finish(config: JsonObject, more: { readonly [key: string]: JsonValue }): Promise<Digest> {
    const configBytes = Buffer.from(
      canonicalJson({
        ...config,
        history: this.#history,
        rootfs: { type: "layers", diff_ids: this.#diffIds },
      }),
    );
    const configDocument = exactDocument(MEDIA_TYPES.config, configBytes);
    const descriptor = {
      mediaType: MEDIA_TYPES.config,
      digest: configDocument.digest,
      size: configBytes.length,
    };
    await this.#sink.writeBlob(
      descriptor,
      async () => ({
        size: configBytes.length,
        async *read() {
          yield configBytes;
        },
      }),
      "config",
      this.#signal,
    );
    const manifest = exactDocument(
      MEDIA_TYPES.manifest,
      Buffer.from(
        canonicalJson({
          ...more,
          schemaVersion: 2,
          config: { ...descriptor, digest: printDigest(descriptor.digest) },
          layers: this.#layers,
        }),
      ),
    );
    await this.#sink.writeDocument(manifest, true, this.#signal);
    await this.#sink.commit(this.#signal);
    return manifest.digest;
  }

  get #signal(): { readonly signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal === undefined ? {} : { signal };
  }
}

async function* readAll(file: File, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(1 << 18, size - at));
    const count = file.readFull(buffer, at);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    at += count;
  }
}
