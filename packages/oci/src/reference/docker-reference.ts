// References to an image in a registry: NAME[:TAG][@DIGEST], with the grammar and the normal form of containers/image.

import { type Digest, parseDigestOptional, printDigest } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";

/** A reference in its normal form. */
export interface DockerReference {
  /** Host and port, if any: `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** Path of the repository, without the domain: `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const DOMAIN_COMPONENT = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const DOMAIN = `${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*(?::[0-9]+)?`;
const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const WHOLE = new RegExp(`^(${DOMAIN})/(${COMPONENT}(?:/${COMPONENT})*)(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const DOMAIN_ONLY = new RegExp(`^${DOMAIN}$`);

const NAME_LIMIT = 255;
const DEFAULT_DOMAIN = "docker.io";

/** A reference in any of its spellings, brought to normal form. Throws `oci/reference-invalid`. */
export function parseDockerReference(text: string): DockerReference {
  const refuse = (problem: string): Error =>
    ociErrors.error("reference-invalid", `"${text.slice(0, 300)}": ${problem}`, {
      context: { ref: text.slice(0, 300) },
    });
  if (text === "") throw refuse("a reference cannot be empty");
  if (text.length > 1024) throw refuse("a reference cannot be as long");
  if (/^[a-f0-9]{64}$/.test(text)) throw refuse("64 hexadecimal digits are an id and cannot be a name");
  const { domain, remainder } = splitDomain(text);
  const path = remainder.split(/[:@]/, 1)[0] ?? "";
  if (path !== path.toLowerCase()) throw refuse("a repository's name has no upper-case letters");
  const match = WHOLE.exec(`${domain}/${remainder}`);
  if (match === null) throw refuse("not of the form NAME[:TAG][@DIGEST]");
  const [, foundDomain = "", foundPath = "", tag, digestText] = match;
  if (foundDomain.length + 1 + foundPath.length > NAME_LIMIT) {
    throw refuse(`a name has at most ${NAME_LIMIT} characters`);
  }
  const digest = digestText === undefined ? undefined : parseDigestOptional(digestText);
  if (digestText !== undefined && digest === undefined) throw refuse("its digest is not one");
  return {
    domain: foundDomain,
    path: foundPath,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitDomain(text: string): { readonly domain: string; readonly remainder: string } {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === "localhost");
  let domain = isDomain ? first : DEFAULT_DOMAIN;
  let remainder = isDomain ? text.slice(slash + 1) : text;
  if (domain === "index.docker.io") domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !remainder.includes("/")) remainder = `library/${remainder}`;
  return { domain, remainder };
}

/** The same with the tag `latest` where it has neither tag nor digest. */
export function withDefaultTag(reference: DockerReference): DockerReference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: "latest" };
}

/** `DOMAIN/PATH`, the name of the repository. */
export function repositoryOf(reference: DockerReference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The normal form as text. */
export function printDockerReference(reference: DockerReference): string {
  return `${repositoryOf(reference)}${suffixOf(reference)}`;
}

/** The short form that people type: without `docker.io` and `library/` where they go without saying. */
export function printFamiliarReference(reference: DockerReference): string {
  const { domain, path } = reference;
  const suffix = suffixOf(reference);
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}${suffix}`;
  const short = path.startsWith("library/") ? path.slice("library/".length) : path;
  return `${short.includes("/") ? path : short}${suffix}`;
}

function suffixOf({ tag, digest }: DockerReference): string {
  return `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${printDigest(digest)}`}`;
}

/** Whether a text is a host with an optional port, as registries are named in configuration. */
export function isDomain(text: string): boolean {
  return text.length <= NAME_LIMIT && DOMAIN_ONLY.test(text);
}
