import type { Digest } from "@bootc-store/core";
import { digestFromBytes, parseDigestOptional } from "@bootc-store/core";
import { hashBytes } from "@bootc-store/linux";

import { ociErrors } from "../errors.ts";
import type { Fields } from "../json/fields.ts";

/** The operating system and machine that an image is for, in Go's words. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

/** What an image says of a blob: its type, digest and size. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Other places of the blob, `http` and `https` only. Nothing secret is ever sent there. */
  readonly urls?: readonly string[];
  /** The content itself, in base64. It counts only if it has the digest and the size. */
  readonly data?: string;
  readonly artifactType?: string;
  /** In entries of an index only. */
  readonly platform?: Platform;
}

/**
 * A document that is identified by the digest of its bytes. The bytes travel with whatever was parsed from
 * them, and writing the document means writing these bytes.
 */
export interface ExactDocument {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** The bytes as a document, identified by their SHA-256. */
export function exactDocument(mediaType: string, bytes: Uint8Array): ExactDocument {
  const { sha256 } = hashBytes(bytes, { sha256: { algorithm: "sha256" } });
  return { mediaType, digest: { algorithm: "sha256", hex: sha256 }, bytes };
}

/** Throws `oci/digest-mismatch` unless the bytes have the digest. */
export function checkDigest(bytes: Uint8Array, digest: Digest, what: string): void {
  const { found } = hashBytes(bytes, { found: { algorithm: digest.algorithm } });
  if (found === digest.hex) return;
  throw digestMismatch(digest, found, what);
}

export function digestMismatch(wanted: Digest, found: string, what: string): Error {
  return ociErrors.error(
    "digest-mismatch",
    `${what}: its digest is ${wanted.algorithm}:${found}, ${wanted.algorithm}:${wanted.hex} was wanted`,
    { context: { digest: `${wanted.algorithm}:${wanted.hex}`, found: `${wanted.algorithm}:${found}` } },
  );
}

/** A descriptor; throws `oci/document-invalid`. */
export function parseDescriptor(fields: Fields): Descriptor {
  const descriptor = parseDescriptorOptional(fields);
  if (descriptor !== undefined) return descriptor;
  throw fields.invalid(
    "digest",
    `"${fields.string("digest").slice(0, 160)}" is not a digest of a known algorithm`,
  );
}

/**
 * {@link parseDescriptor} with `undefined` for a digest of an algorithm that is not known. What is no digest at
 * all is still refused: it is never used as a name.
 */
export function parseDescriptorOptional(fields: Fields): Descriptor | undefined {
  const text = fields.string("digest");
  const digest = parseDigestOptional(text);
  const size = fields.size("size");
  const mediaType = fields.string("mediaType");
  if (digest === undefined) {
    const known = /^sha(?:256|384|512):/.test(text);
    if (known || text.length > 300 || !DIGEST.test(text)) {
      throw fields.invalid("digest", `"${text.slice(0, 160)}" is not a digest`);
    }
    return undefined;
  }
  const annotations = fields.stringMap("annotations");
  const urls = fields.strings("urls");
  const data = fields.stringOptional("data");
  const artifactType = fields.stringOptional("artifactType");
  const platform = fields.fieldsOptional("platform");
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
    ...(urls.length === 0 ? {} : { urls }),
    ...(data === undefined ? {} : { data }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
  };
}

function parsePlatform(fields: Fields): Platform {
  const variant = fields.stringOptional("variant");
  const osVersion = fields.stringOptional("os.version");
  return {
    os: fields.stringOptional("os") ?? "",
    architecture: fields.stringOptional("architecture") ?? "",
    ...(variant === undefined || variant === "" ? {} : { variant }),
    ...(osVersion === undefined ? {} : { osVersion }),
  };
}

/** The content that a descriptor carries, checked; `undefined` if it carries none, or one that is not its own. */
export function embeddedData(descriptor: Descriptor): Uint8Array | undefined {
  if (descriptor.data === undefined || descriptor.data.length > 4 * (descriptor.size / 3 + 2))
    return undefined;
  const bytes = Buffer.from(descriptor.data, "base64");
  if (bytes.length !== descriptor.size) return undefined;
  const { found } = hashBytes(bytes, { found: { algorithm: descriptor.digest.algorithm } });
  return found === descriptor.digest.hex ? bytes : undefined;
}

/** The descriptor of these bytes, as JSON has it. */
export function describeBytes(mediaType: string, bytes: Uint8Array): Descriptor {
  const { sha256 } = hashBytes(bytes, { sha256: { algorithm: "sha256" } });
  return { mediaType, digest: digestFromBytes("sha256", Buffer.from(sha256, "hex")), size: bytes.length };
}

/** The grammar of the image specification; whether the algorithm is one that can be checked is another question. */
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/;
