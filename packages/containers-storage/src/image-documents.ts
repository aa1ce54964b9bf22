// What the store needs to know of a manifest and a config: the layers and the time. Everything else is bytes.

import { type Digest, parseDigestOptional } from "@bootc-store/core";
import type { ExactDocument } from "@bootc-store/oci";

import { containersStorageErrors } from "./errors.ts";
import type { Compression } from "./format/layers-json.ts";

const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;

const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface ManifestFacts {
  readonly mediaType: string;
  readonly config: BlobDescriptor;
  readonly layers: readonly BlobDescriptor[];
}

/** Throws `containers-storage/image-invalid`, or `feature-unsupported` for an index or a manifest of the first schema. */
export function readManifest(bytes: Uint8Array, said?: string): ManifestFacts {
  const value = parse(bytes, "manifest");
  const { mediaType, config, layers, manifests, schemaVersion } = value;
  if (manifests !== undefined || INDEX_TYPES.some((type) => type === (mediaType ?? said))) {
    throw containersStorageErrors.error("feature-unsupported", "the manifest is an index of several images");
  }
  if (schemaVersion !== 2) {
    throw containersStorageErrors.error(
      "feature-unsupported",
      `a manifest of schema ${JSON.stringify(schemaVersion)}`,
    );
  }
  if (!Array.isArray(layers)) throw invalid("the manifest has no layers");
  const type = typeof mediaType === "string" && mediaType !== "" ? mediaType : (said ?? MANIFEST_TYPES[0]);
  return {
    mediaType: type,
    config: descriptor(config, "config"),
    layers: layers.map((each, at) => descriptor(each, `layer ${at}`)),
  };
}

export interface ConfigFacts {
  readonly diffIds: readonly Digest[];
  readonly created?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function readConfig(bytes: Uint8Array): ConfigFacts {
  const { rootfs, created, config } = parse(bytes, "config");
  const diffIds = isObject(rootfs) ? (rootfs["diff_ids"] ?? []) : undefined;
  if (!Array.isArray(diffIds)) throw invalid("the config has no diff ids");
  const labels = isObject(config) && isObject(config["Labels"]) ? config["Labels"] : {};
  return {
    diffIds: diffIds.map((each, at) => {
      const digest = typeof each === "string" ? parseDigestOptional(each) : undefined;
      if (digest === undefined) throw invalid(`diff id ${at} of the config is no digest`);
      return digest;
    }),
    ...(typeof created === "string" && created !== "" ? { created } : {}),
    labels: Object.fromEntries(
      Object.entries(labels).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
    ),
  };
}

/** How a blob of this media type is compressed; `undefined` if the type does not say. */
export function compressionOf(mediaType: string): Compression | undefined {
  if (/[+.](gzip|tgz)$/.test(mediaType)) return "gzip";
  if (mediaType.endsWith("+zstd") || mediaType.endsWith(".zstd")) return "zstd";
  return mediaType.endsWith(".tar") ? "none" : undefined;
}

export function documentOf(bytes: Uint8Array, digest: Digest, mediaType: string): ExactDocument {
  return { bytes, digest, mediaType };
}

function descriptor(value: unknown, what: string): BlobDescriptor {
  if (!isObject(value)) throw invalid(`the manifest's ${what} is no descriptor`);
  const { mediaType = "", size, digest: text } = value;
  const digest = typeof text === "string" ? parseDigestOptional(text) : undefined;
  const valid =
    typeof mediaType === "string" && typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
  if (!valid || digest === undefined) throw invalid(`the manifest's ${what} is no descriptor`);
  return { mediaType, size, digest };
}

type JsonObject = { readonly [key: string]: unknown };

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch (cause) {
    throw containersStorageErrors.error("image-invalid", `the ${what} is not JSON`, { cause });
  }
  if (!isObject(value)) throw invalid(`the ${what} is not an object`);
  return value;
}

function invalid(problem: string): Error {
  return containersStorageErrors.error("image-invalid", problem);
}
