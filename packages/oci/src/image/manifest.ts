// Manifests and indexes, of OCI and of Docker's schema 2. The parsed value keeps the exact bytes, which are what
// the digest is over; nothing here ever prints one anew.

import type { Digest } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import {
  checkDigest,
  type Descriptor,
  type ExactDocument,
  exactDocument,
  parseDescriptor,
  parseDescriptorOptional,
} from "./descriptor.ts";
import { documentKind, MEDIA_TYPES } from "./media-types.ts";

/** Bytes of a manifest, an index or a configuration at most, as containers/image has them. */
export const DOCUMENT_LIMIT = 4 << 20;

/** An image, or an artifact, which is an image whose configuration is something else. */
export interface Manifest {
  readonly kind: "manifest";
  readonly document: ExactDocument;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  /** What kind of artifact this is, where it is one. */
  readonly artifactType?: string;
  /** The manifest that this one says something about. */
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A list of manifests, usually one a platform. */
export interface ImageIndex {
  readonly kind: "index";
  readonly document: ExactDocument;
  readonly entries: readonly Descriptor[];
  /** Entries whose digests are of an algorithm that is not known: they are kept in the bytes and cannot be used. */
  readonly unusable: number;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ParseManifestOptions {
  /** The type that a descriptor or a server's answer says it has. Believed only where the bytes do not say. */
  readonly mediaType?: string;
  /** Throws `oci/digest-mismatch` unless the bytes have it. */
  readonly digest?: Digest;
}

/**
 * Parses a manifest or an index. Throws `oci/json-invalid`, `oci/document-invalid`, `oci/manifest-ambiguous`,
 * `oci/schema1-unsupported`, `oci/document-too-large`, `oci/digest-mismatch`.
 */
export function parseManifest(bytes: Uint8Array, options: ParseManifestOptions = {}): Manifest | ImageIndex {
  if (bytes.length > DOCUMENT_LIMIT) {
    throw ociErrors.error("document-too-large", `a manifest of more than ${DOCUMENT_LIMIT} bytes`);
  }
  if (options.digest !== undefined) checkDigest(bytes, options.digest, "manifest");
  const fields = Fields.of(parseJson(bytes, { what: "manifest", caseless: true }), "manifest");
  const mediaType = manifestType(fields, options.mediaType);
  if (fields.get("schemaVersion") !== 2) throw fields.invalid("schemaVersion", "not 2");
  const kind = documentKind(mediaType);
  if (kind === undefined) {
    throw ociErrors.error("document-invalid", `manifest: "${mediaType.slice(0, 120)}" is no type of one`);
  }
  checkUnambiguous(fields, kind === "manifest" ? ["config", "layers"] : ["manifests"]);
  const document: ExactDocument =
    options.digest === undefined
      ? exactDocument(mediaType, bytes)
      : { mediaType, digest: options.digest, bytes };
  const artifactType = fields.stringOptional("artifactType");
  const subject = fields.fieldsOptional("subject");
  const common = {
    document,
    annotations: fields.stringMap("annotations") ?? {},
    ...(artifactType === undefined || artifactType === "" ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: parseDescriptor(subject) }),
  };
  if (kind === "index") {
    const all = (fields.has("manifests") ? fields.fieldsOf("manifests") : []).map(parseDescriptorOptional);
    const entries = all.filter((entry) => entry !== undefined);
    return { kind, ...common, entries, unusable: all.length - entries.length };
  }
  return {
    kind,
    ...common,
    config: parseDescriptor(fields.fields("config")),
    layers: (fields.has("layers") ? fields.fieldsOf("layers") : []).map(parseDescriptor),
  };
}

/** What the bytes say they are; then what somebody else says; then what they look like. */
function manifestType(fields: Fields, said: string | undefined): string {
  const own = fields.stringOptional("mediaType") ?? "";
  if (fields.get("schemaVersion") === 1 || isSchema1(own) || (own === "" && isSchema1(said ?? ""))) {
    throw ociErrors.error("schema1-unsupported", "the manifest is of Docker's schema 1");
  }
  if (
    own !== "" &&
    said !== undefined &&
    documentKind(said) !== undefined &&
    documentKind(own) !== undefined
  ) {
    if (own !== said) {
      throw ociErrors.error(
        "document-invalid",
        `manifest: it is said to be of type "${said}", and says "${own}" itself`,
      );
    }
  }
  if (own !== "") return own;
  if (said !== undefined && documentKind(said) !== undefined) return said;
  const config = fields.get("config");
  if (typeof config === "object") {
    const type = Fields.of(config, "manifest.config").stringOptional("mediaType");
    return type === MEDIA_TYPES.dockerConfig ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.manifest;
  }
  return fields.has("manifests") ? MEDIA_TYPES.index : MEDIA_TYPES.manifest;
}

function isSchema1(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.dockerSchema1 || mediaType === MEDIA_TYPES.dockerSchema1Signed;
}

const KEY_FIELDS = new Set(["config", "fslayers", "history", "layers", "manifests"]);

/** Go's decoder matches keys in any case, so a key that looks like another kind's must not be there in any. */
function checkUnambiguous(fields: Fields, own: readonly string[]): void {
  for (const key of fields.keys()) {
    const folded = key.toLowerCase();
    if (!KEY_FIELDS.has(folded) || own.includes(key)) continue;
    throw ociErrors.error(
      "manifest-ambiguous",
      `manifest: it has a field "${key}" beside ${own.join(" and ")}`,
    );
  }
}
