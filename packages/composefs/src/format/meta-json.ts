// meta.json, the description of a repository: version, algorithm, features, formats of its images. It is written once
// and never again, so what was edited by hand stays. composefs-rs 0.9.4.

import { type ComposefsAlgorithm, algorithmByName, ALGORITHMS } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";

/** Formats of EROFS images: 1 is what composefs-rs makes by default, 2 what it made before. */
export type ErofsVersion = 0 | 1 | 2;

export interface RepositoryMeta {
  readonly version: number;
  readonly algorithm: ComposefsAlgorithm;
  readonly compatible: readonly string[];
  readonly readOnlyCompatible: readonly string[];
  readonly incompatible: readonly string[];
  readonly erofs: { readonly default: ErofsVersion; readonly extra: readonly ErofsVersion[] };
}

const VERSION = 1;

/** By this flag older programs learn that the images are of version 1. */
const V1_EROFS = "v1_erofs";

/** The description of a fresh repository. */
export function freshMeta(algorithm: ComposefsAlgorithm, erofs: ErofsVersion = 1): RepositoryMeta {
  return {
    version: VERSION,
    algorithm,
    compatible: [],
    readOnlyCompatible: erofs === 1 ? [V1_EROFS] : [],
    incompatible: [],
    erofs: { default: erofs, extra: [] },
  };
}

/**
 * Throws `composefs/metadata-invalid`, `composefs/version-unsupported`, and `composefs/feature-unsupported` for a
 * feature without which the repository cannot be understood.
 */
export function parseMeta(text: string): RepositoryMeta {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw composefsErrors.error("metadata-invalid", "meta.json is not JSON", { cause: error });
  }
  if (!isRecord(value)) throw invalid("it is no object");
  const { version, algorithm: name } = value;
  if (typeof version !== "number" || !Number.isSafeInteger(version)) throw invalid("it has no version");
  if (version > VERSION) {
    throw composefsErrors.error(
      "version-unsupported",
      `unsupported repository format version ${version} (this program supports up to ${VERSION})`,
    );
  }
  const algorithm = typeof name === "string" ? algorithmByName(name) : undefined;
  if (algorithm === undefined) throw invalid(`it names no known algorithm: ${JSON.stringify(name)}`);
  const features = isRecord(value["features"]) ? value["features"] : {};
  const incompatible = strings(features["incompatible"], "features.incompatible");
  if (incompatible.length > 0) {
    throw composefsErrors.error(
      "feature-unsupported",
      `repository requires unknown incompatible features: ${JSON.stringify(incompatible)}`,
    );
  }
  const readOnlyCompatible = strings(features["read-only-compatible"], "features.read-only-compatible");
  return {
    version,
    algorithm,
    compatible: strings(features["compatible"], "features.compatible"),
    readOnlyCompatible,
    incompatible,
    erofs: erofsFormats(value["erofs_formats"], readOnlyCompatible),
  };
}

/** Pretty-printed with two spaces, a newline at the end. */
export function printMeta(meta: RepositoryMeta): string {
  const { extra } = meta.erofs;
  const value = {
    version: meta.version,
    algorithm: ALGORITHMS[meta.algorithm].name,
    features: {
      compatible: meta.compatible,
      "read-only-compatible": meta.readOnlyCompatible,
      incompatible: meta.incompatible,
    },
    erofs_formats: { default: meta.erofs.default, ...(extra.length === 0 ? {} : { extra }) },
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Features that allow reading only, and that this program does not know. */
export function unknownReadOnlyFeatures(meta: RepositoryMeta): string[] {
  return meta.readOnlyCompatible.filter((feature) => feature !== V1_EROFS);
}

function erofsFormats(value: unknown, readOnlyCompatible: readonly string[]): RepositoryMeta["erofs"] {
  if (value === undefined) return { default: readOnlyCompatible.includes(V1_EROFS) ? 1 : 2, extra: [] };
  if (!isRecord(value) || !isErofsVersion(value["default"]))
    throw invalid("erofs_formats has no known default");
  const extra = value["extra"] ?? [];
  if (!Array.isArray(extra) || !extra.every(isErofsVersion))
    throw invalid("erofs_formats.extra is no list of versions");
  return { default: value["default"], extra };
}

function isErofsVersion(value: unknown): value is ErofsVersion {
  return value === 0 || value === 1 || value === 2;
}

function strings(value: unknown, where: string): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string"))
    throw invalid(`${where} is no list of texts`);
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(problem: string): Error {
  return composefsErrors.error("metadata-invalid", `meta.json: ${problem}`, {
    context: { path: "meta.json" },
  });
}
