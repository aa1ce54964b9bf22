// What a status says of an image, from the documents that a store keeps of it.

import { isStoreError } from "@bootc-store/core";
import { parseOstreeReference } from "@bootc-store/oci";

import { storageErrors } from "../errors.ts";
import type { ImageReference, ImageStatus } from "../image-status.ts";
import { utcTimestamp } from "./timestamp.ts";

/** The reference of an origin in the words of a status. Throws `storage/deployments-unreadable`. */
export function referenceOfOrigin(text: string, deployment: string): ImageReference {
  try {
    const { signatures, image } = parseOstreeReference(text.trim());
    const reference = { image: image.name, transport: image.transport };
    if (signatures.kind === "container-policy") return { ...reference, signature: "containerPolicy" };
    if (signatures.kind === "ostree-remote")
      return { ...reference, signature: { ostreeRemote: signatures.remote } };
    return reference;
  } catch (cause) {
    if (!isStoreError(cause)) throw cause;
    throw storageErrors.error(
      "deployments-unreadable",
      `the origin of ${deployment} names no image: ${cause.message}`,
      { context: { deployment }, cause },
    );
  }
}

export interface StatusDocuments {
  readonly manifestDigest: string;
  /** JSON. */
  readonly manifest: string;
  /** JSON. */
  readonly config: string;
}

/** Where the version of an image is looked for: bootc's two backends do not agree. */
export type VersionSource = "config-labels" | "manifest-annotation";

/** What cannot be read of the documents is not told. */
export function imageStatusOf(
  image: ImageReference,
  documents: StatusDocuments,
  versionFrom: VersionSource,
): ImageStatus {
  const config = objectOf(parse(documents.config));
  const labels = objectOf(objectOf(config["config"])["Labels"]);
  const annotations = objectOf(objectOf(parse(documents.manifest))["annotations"]);
  const version =
    versionFrom === "manifest-annotation"
      ? annotations[VERSION]
      : (textOf(labels[VERSION]) ?? labels["version"]);
  const created =
    (versionFrom === "config-labels" ? textOf(labels[CREATED]) : undefined) ?? textOf(config["created"]);
  return {
    image,
    version: textOf(version) ?? null,
    timestamp: (created === undefined ? undefined : utcTimestamp(created)) ?? null,
    imageDigest: documents.manifestDigest,
    architecture: textOf(config["architecture"]) ?? "",
  };
}

const VERSION = "org.opencontainers.image.version";
const CREATED = "org.opencontainers.image.created";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
