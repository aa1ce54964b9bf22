import { type Digest, parseDigestOptional } from "@bootc-store/core";

import { containersStorageErrors } from "../errors.ts";

/** A name of an image in its parts. `repository` begins with the registry. */
export interface ImageName {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;

/**
 * A name as a person writes it, normalised as docker references are: the registry is docker.io unless one is named,
 * `library/` stands before a lone component there, and without tag and digest the tag is `latest`.
 * Throws `containers-storage/name-invalid`.
 */
export function parseImageName(text: string): ImageName {
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : parseDigestOptional(text.slice(at + 1));
  if (at >= 0 && digest === undefined) throw invalid(text);
  const named = at < 0 ? text : text.slice(0, at);
  const slash = named.indexOf("/");
  const first = named.slice(0, Math.max(slash, 0));
  const hasDomain =
    slash > 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const domain = hasDomain ? (first === "index.docker.io" ? "docker.io" : first) : "docker.io";
  let path = hasDomain ? named.slice(slash + 1) : named;
  const colon = path.lastIndexOf(":");
  const tag = colon < 0 ? undefined : path.slice(colon + 1);
  if (colon >= 0) path = path.slice(0, colon);
  if (domain === "docker.io" && !path.includes("/")) path = `library/${path}`;
  if (!DOMAIN.test(domain) || !PATH.test(path) || path.length + domain.length > 255) throw invalid(text);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text);
  // 64 hexadecimal digits alone are an id, and never a name.
  if (!hasDomain && /^[0-9a-f]{64}$/.test(named)) throw invalid(text);
  const withTag = tag ?? (digest === undefined ? "latest" : undefined);
  return {
    repository: `${domain}/${path}`,
    ...(withTag === undefined ? {} : { tag: withTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

export function parseImageNameOptional(text: string): ImageName | undefined {
  try {
    return parseImageName(text);
  } catch {
    return undefined;
  }
}

export function printImageName({ repository, tag, digest }: ImageName): string {
  const withTag = tag === undefined ? repository : `${repository}:${tag}`;
  return digest === undefined ? withTag : `${withTag}@${digest.algorithm}:${digest.hex}`;
}

/** Names with duplicates left out, first ones kept. */
export function uniqueNames(names: Iterable<string>): string[] {
  return [...new Set(names)];
}

/** The history of an image's names after they were set: each name in turn is moved to the front. */
export function nextHistory(history: readonly string[], names: readonly string[]): string[] {
  return uniqueNames([...[...names].reverse(), ...history]);
}

function invalid(text: string): Error {
  return containersStorageErrors.error("name-invalid", `not a name of an image: "${text.slice(0, 300)}"`);
}
