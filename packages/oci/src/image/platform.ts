// Which entry of an index is for this machine. The order is that of containers/image: by how well the platform fits,
// then zstd before gzip, then by place; an entry that names no platform is the last resort.

import { arch, platform } from "node:os";

import { ociErrors } from "../errors.ts";
import type { Descriptor, Platform } from "./descriptor.ts";
import type { ImageIndex } from "./manifest.ts";
import { documentKind } from "./media-types.ts";

/** On the entries of instances whose layers are compressed with zstd. */
export const ZSTD_ANNOTATION = "io.github.containers.compression.zstd";

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };
const SYSTEMS: Readonly<Record<string, string>> = { win32: "windows", sunos: "solaris" };

/** Lesser variants that a machine of a variant can run, best first. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  arm: ["v8", "v7", "v6", "v5"],
  arm64: ["v8"],
};

/** The platform of the machine this runs on. */
export function hostPlatform(): Platform {
  const system = platform();
  return { os: SYSTEMS[system] ?? system, architecture: ARCHITECTURES[arch()] ?? arch() };
}

export interface ChoosePlatformOptions {
  /** Which of two equal ones to prefer; zstd unless said otherwise. */
  readonly prefer?: "zstd" | "gzip";
}

/** The entry for a platform. Throws `oci/platform-not-found`. */
export function choosePlatform(
  index: ImageIndex,
  wanted: Platform = hostPlatform(),
  options: ChoosePlatformOptions = {},
): Descriptor {
  const list = wantedPlatforms(wanted);
  let best: { readonly entry: Descriptor; readonly rank: number } | undefined;
  for (const entry of index.entries) {
    if (documentKind(entry.mediaType) === undefined) continue;
    const fit = fitOf(entry.platform, list);
    if (fit === undefined) continue;
    const zstd = entry.annotations?.[ZSTD_ANNOTATION] === "true";
    const rank = fit * 2 + (zstd === (options.prefer !== "gzip") ? 0 : 1);
    if (best === undefined || rank < best.rank) best = { entry, rank };
  }
  if (best !== undefined) return best.entry;
  const found = index.entries.map(({ platform: each }) => (each === undefined ? "?" : printPlatform(each)));
  throw ociErrors.error(
    "platform-not-found",
    `no image for ${printPlatform(wanted)}; there is ${found.length === 0 ? "none" : found.join(", ").slice(0, 400)}`,
  );
}

/** `linux/arm64/v8`. */
export function printPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
}

/** `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`. Throws `oci/reference-invalid`. */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text);
  if (match === null) {
    throw ociErrors.error("reference-invalid", `not a platform such as linux/arm64: "${text.slice(0, 80)}"`);
  }
  const [, os = "", architecture = "", variant] = match;
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function wantedPlatforms(wanted: Platform): Platform[] {
  const { os, architecture, variant } = wanted;
  const known = VARIANTS[architecture] ?? [];
  const from = variant === undefined ? 0 : known.indexOf(variant);
  const variants = from < 0 ? [variant as string] : known.slice(from);
  return [...variants.map((each) => ({ os, architecture, variant: each })), { os, architecture }];
}

function fitOf(platform: Platform | undefined, list: readonly Platform[]): number | undefined {
  if (platform === undefined) return list.length;
  const at = list.findIndex(
    (each) =>
      each.os === platform.os &&
      each.architecture === platform.architecture &&
      each.variant === platform.variant,
  );
  return at < 0 ? undefined : at;
}
