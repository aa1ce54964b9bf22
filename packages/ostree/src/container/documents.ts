// The documents of an image as ostree-ext keeps them in a commit: what it reads from containers/image, which has been
// through Go's types, printed in canonical form. Fields that those types do not know are gone, and Docker's documents
// have become OCI's.

import { createHash } from "node:crypto";

import { canonicalJson, type Digest, printDigest } from "@bootc-store/core";
import {
  type ExactDocument,
  type JsonObject,
  type JsonValue,
  MEDIA_TYPES,
  parseJson,
} from "@bootc-store/oci";

import { ostreeErrors } from "../errors.ts";

/** What a commit keeps of an image's documents. */
interface ImageDocuments {
  /** The manifest's fields, as OCI's. */
  readonly manifest: JsonObject;
  /** The configuration's fields. */
  readonly config: JsonObject;
  /** Of the manifest as it was fetched. */
  readonly manifestDigest: Digest;
  /** As the manifest that is kept names it. */
  readonly configDigest: string;
}

function imageDocuments(manifest: ExactDocument, config: ExactDocument): ImageDocuments {
  const raw = objectOf(parseJson(manifest.bytes, { what: "manifest" }), "manifest");
  const goConfig = goImage(
    objectOf(parseJson(config.bytes, { what: "image configuration" }), "image configuration"),
  );
  const docker = (raw["mediaType"] ?? manifest.mediaType) === MEDIA_TYPES.dockerManifest;
  const kept = docker ? ociManifest(raw, goJson(goConfig)) : known(raw, MANIFEST);
  const descriptor = objectOf(kept["config"], "manifest.config");
  return {
    manifest: kept,
    config: goConfig,
    manifestDigest: manifest.digest,
    configDigest: textOf(descriptor["digest"]),
  };
}

/** Seconds since 1970 of when an image says it was made; `undefined` where it says nothing that can be read. */
function createdOf({ manifest, config }: ImageDocuments): bigint | undefined {
  const annotations = manifest["annotations"];
  const annotated = isObject(annotations) ? annotations["org.opencontainers.image.created"] : undefined;
  // An annotation that cannot be read is not made up for by the configuration.
  return parseTime(annotated ?? config["created"]);
}

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

function parseTime(text: JsonValue | undefined): bigint | undefined {
  if (typeof text !== "string") return undefined;
  const found = RFC3339.exec(text);
  if (found === null) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (month < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = (Number(found[8] ?? 0) * 60 + Number(found[9] ?? 0)) * (found[7] === "-" ? -1 : 1);
  return BigInt(date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset * 60);
}

const DESCRIPTOR = ["mediaType", "digest", "size", "urls", "annotations", "platform", "artifactType", "data"];
const MANIFEST = ["schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations"];
const IMAGE = [
  "created",
  "author",
  "architecture",
  "variant",
  "os",
  "os.version",
  "os.features",
  "config",
  "rootfs",
  "history",
];
const RUN = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
];
const HISTORY = ["created", "created_by", "author", "comment", "empty_layer"];

function known(object: JsonObject, keys: readonly string[]): JsonObject {
  const kept: Record<string, JsonValue> = {};
  for (const key of keys) {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (value === undefined || value === null) continue;
    if (key === "config" && keys === MANIFEST) kept[key] = known(objectOf(value, key), DESCRIPTOR);
    else if (key === "layers" && Array.isArray(value)) {
      kept[key] = value.map((each: JsonValue) => known(objectOf(each, key), DESCRIPTOR));
    } else kept[key] = value;
  }
  return kept;
}

/** A configuration as Go's type of it prints it: unknown and empty fields are gone, times have no zeros at their end. */
function goImage(raw: JsonObject): JsonObject {
  const image: Record<string, JsonValue> = {};
  for (const key of IMAGE) {
    const value = Object.hasOwn(raw, key) ? raw[key] : undefined;
    if (key === "config") image[key] = withoutEmpty(isObject(value) ? value : {}, RUN);
    else if (key === "architecture" || key === "os") image[key] = value ?? "";
    else if (key === "history") {
      if (Array.isArray(value) && value.length > 0) {
        image[key] = value.map((each: JsonValue) => withoutEmpty(objectOf(each, key), HISTORY));
      }
    } else if (key === "rootfs") {
      image[key] = known(objectOf(value, key), ["type", "diff_ids"]);
    } else if (!isEmpty(value))
      image[key] = key === "created" ? goTime(value as JsonValue) : (value as JsonValue);
  }
  return image;
}

function withoutEmpty(raw: JsonObject, keys: readonly string[]): JsonObject {
  const kept: Record<string, JsonValue> = {};
  for (const key of keys) {
    const value = Object.hasOwn(raw, key) ? raw[key] : undefined;
    if (isEmpty(value)) continue;
    kept[key] = key === "created" ? goTime(value as JsonValue) : (value as JsonValue);
  }
  return kept;
}

function isEmpty(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function goTime(text: JsonValue): string {
  if (typeof text !== "string" || parseTime(text) === undefined) {
    throw ostreeErrors.error("image-document-invalid", `${JSON.stringify(text).slice(0, 80)} is no time`);
  }
  return text.replace(/\.(\d*?)0*(?=Z|[+-]\d{2}:\d{2}$)/, (_, digits: string) =>
    digits === "" ? "" : `.${digits}`,
  );
}

/** As Go prints a value: keys in the order of its type, and what means something in HTML escaped. */
function goJson(value: JsonValue): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const LAYER_TYPES: Readonly<Record<string, string>> = {
  "application/vnd.docker.image.rootfs.diff.tar": MEDIA_TYPES.layer,
  "application/vnd.docker.image.rootfs.diff.tar.gzip": MEDIA_TYPES.layerGzip,
  "application/vnd.docker.image.rootfs.diff.tar.zstd": MEDIA_TYPES.layerZstd,
};

/** Docker's manifest as OCI's; its configuration is another one then. */
function ociManifest(raw: JsonObject, config: string): JsonObject {
  const bytes = Buffer.from(config);
  const layers = Array.isArray(raw["layers"]) ? (raw["layers"] as readonly JsonValue[]) : [];
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: {
      mediaType: MEDIA_TYPES.config,
      digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
      size: bytes.length,
    },
    layers: layers.map((each) => {
      const layer = known(objectOf(each, "manifest.layers"), DESCRIPTOR);
      const type = textOf(layer["mediaType"]);
      return { ...layer, mediaType: LAYER_TYPES[type] ?? type };
    }),
  };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function objectOf(value: JsonValue | undefined, what: string): JsonObject {
  if (isObject(value)) return value;
  throw ostreeErrors.error("image-document-invalid", `${what} is no object`);
}

/** What a merge commit says of its image, as texts in canonical form. */
export interface MergeDocuments {
  /** As the manifest that is kept names it. */
  readonly configDigest: string;
  readonly manifest: string;
  readonly manifestDigest: string;
  readonly config: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Seconds since 1970. */
  readonly timestamp: bigint | undefined;
}

export function mergeDocuments(manifest: ExactDocument, config: ExactDocument): MergeDocuments {
  const documents = imageDocuments(manifest, config);
  const run = documents.config["config"];
  const labels = isObject(run) ? run["Labels"] : undefined;
  return {
    manifest: canonicalJson(documents.manifest),
    manifestDigest: printDigest(documents.manifestDigest),
    configDigest: documents.configDigest,
    config: canonicalJson(documents.config),
    labels: isObject(labels)
      ? Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, textOf(value)]))
      : {},
    timestamp: createdOf(documents),
  };
}
