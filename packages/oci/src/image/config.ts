// The configuration of an image. Unknown fields are nobody's error, null counts as absent, and the bytes are kept.

import type { Digest } from "@bootc-store/core";
import { parseDigestOptional, printDigest } from "@bootc-store/core";
import { hashBytes } from "@bootc-store/linux";

import { Fields, refuseDocument } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import { checkDigest, type ExactDocument, exactDocument } from "./descriptor.ts";
import { MEDIA_TYPES } from "./media-types.ts";

/** One step of how an image was made. */
export interface HistoryEntry {
  readonly created?: string;
  readonly createdBy?: string;
  readonly author?: string;
  readonly comment?: string;
  /** True if the step made no layer. */
  readonly emptyLayer: boolean;
}

export interface ImageConfig {
  readonly document: ExactDocument;
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  /** RFC 3339, as it stands. */
  readonly created?: string;
  readonly author?: string;
  /** Digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
  readonly labels: Readonly<Record<string, string>>;
  readonly env: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
}

/** Parses a configuration. Throws `oci/json-invalid`, `oci/document-invalid`, `oci/digest-mismatch`. */
export function parseConfig(
  bytes: Uint8Array,
  options: { readonly mediaType?: string; readonly digest?: Digest } = {},
): ImageConfig {
  if (options.digest !== undefined) checkDigest(bytes, options.digest, "image configuration");
  const fields = Fields.of(parseJson(bytes, { what: "image configuration" }), "config");
  const rootfs = fields.fields("rootfs");
  const type = rootfs.string("type");
  if (type !== "layers") throw rootfs.invalid("type", `"${type.slice(0, 80)}" is not known`);
  const mediaType = options.mediaType ?? MEDIA_TYPES.config;
  const run = fields.fieldsOptional("config");
  const text = (key: string): string | undefined => fields.stringOptional(key) || undefined;
  const entrypoint = run?.arrayOptional("Entrypoint");
  const cmd = run?.arrayOptional("Cmd");
  return {
    document:
      options.digest === undefined
        ? exactDocument(mediaType, bytes)
        : { mediaType, digest: options.digest, bytes },
    os: fields.stringOptional("os") ?? "",
    architecture: fields.stringOptional("architecture") ?? "",
    ...optional("variant", text("variant")),
    ...optional("created", text("created")),
    ...optional("author", text("author")),
    diffIds: rootfs.strings("diff_ids").map((id, at) => {
      const digest = parseDigestOptional(id);
      if (digest === undefined) {
        throw refuseDocument(`config.rootfs.diff_ids[${at}]: "${id.slice(0, 160)}" is not a digest`);
      }
      return digest;
    }),
    history: (fields.has("history") ? fields.fieldsOf("history") : []).map(parseHistory),
    labels: run?.stringMap("Labels") ?? {},
    env: run?.strings("Env") ?? [],
    ...optional("user", run?.stringOptional("User") || undefined),
    ...optional("workingDir", run?.stringOptional("WorkingDir") || undefined),
    ...(entrypoint === undefined ? {} : { entrypoint: run?.strings("Entrypoint") ?? [] }),
    ...(cmd === undefined ? {} : { cmd: run?.strings("Cmd") ?? [] }),
  };
}

function parseHistory(fields: Fields): HistoryEntry {
  return {
    ...optional("created", fields.stringOptional("created")),
    ...optional("createdBy", fields.stringOptional("created_by")),
    ...optional("author", fields.stringOptional("author")),
    ...optional("comment", fields.stringOptional("comment")),
    emptyLayer: fields.booleanOptional("empty_layer") ?? false,
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

/**
 * The ids of the chain of layers up to each one: of the first its diff id, then the digest of the id before, a
 * blank and the diff id, as texts.
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    if (below === undefined) {
      chain.push(diffId);
      continue;
    }
    const text = Buffer.from(`${printDigest(below)} ${printDigest(diffId)}`);
    const { sha256 } = hashBytes(text, { sha256: { algorithm: "sha256" } });
    chain.push({ algorithm: "sha256", hex: sha256 });
  }
  return chain;
}
