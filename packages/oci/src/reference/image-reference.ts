// TRANSPORT:WHAT, as containers/image spells where an image is. The path of oci:, oci-archive: and docker-archive:
// ends at the first colon, so a path that has one cannot be written.

import { ociErrors } from "../errors.ts";
import {
  type DockerReference,
  parseDockerReference,
  printFamiliarReference,
  withDefaultTag,
} from "./docker-reference.ts";

/** Which image of several in a layout or archive: by name, by its number from 0, or the only one. */
export interface ImageSelector {
  readonly name?: string;
  readonly index?: number;
}

export type ImageReference =
  | { readonly transport: "docker"; readonly reference: DockerReference; readonly unknownDigest?: true }
  | ({ readonly transport: "oci"; readonly path: string } & ImageSelector)
  | ({ readonly transport: "oci-archive"; readonly path: string } & ImageSelector)
  | { readonly transport: "dir"; readonly path: string }
  | {
      readonly transport: "docker-archive";
      readonly path: string;
      readonly reference?: DockerReference;
      readonly index?: number;
    }
  /** Others are other packages' business; what follows the colon is kept as it is. */
  | { readonly transport: "containers-storage" | "docker-daemon" | "sif"; readonly rest: string };

export type TransportName = ImageReference["transport"];

/** `@@unknown-digest@@`: a push of a manifest whose digest is to be its only name. */
const UNKNOWN_DIGEST = "@@unknown-digest@@";

/** Throws `oci/transport-unknown`, `oci/reference-invalid`. */
export function parseImageReference(text: string): ImageReference {
  const colon = text.indexOf(":");
  if (colon < 0) throw refuse(text, "it does not begin with a transport and a colon");
  const transport = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  switch (transport) {
    case "docker":
      return parseDocker(text, rest);
    case "oci":
    case "oci-archive":
      return { transport, ...parseLayoutPath(text, rest) };
    case "dir":
      checkPath(text, rest);
      return { transport, path: rest };
    case "docker-archive":
      return parseDockerArchive(text, rest);
    case "containers-storage":
    case "docker-daemon":
    case "sif":
      if (rest === "") throw refuse(text, "nothing follows the transport");
      return { transport, rest };
    default:
      throw ociErrors.error(
        "transport-unknown",
        `"${text.slice(0, 300)}": no transport "${transport.slice(0, 40)}"`,
        {
          context: { ref: text.slice(0, 300) },
        },
      );
  }
}

function parseDocker(text: string, rest: string): ImageReference {
  if (!rest.startsWith("//")) throw refuse(text, "docker: is followed by //");
  let name = rest.slice(2);
  const unknownDigest = name.endsWith(UNKNOWN_DIGEST);
  if (unknownDigest) name = name.slice(0, -UNKNOWN_DIGEST.length);
  const reference = parseDockerReference(name);
  if (unknownDigest) {
    if (reference.tag !== undefined || reference.digest !== undefined) {
      throw refuse(text, `${UNKNOWN_DIGEST} takes the place of a tag or digest`);
    }
    return { transport: "docker", reference, unknownDigest: true };
  }
  if (reference.tag !== undefined && reference.digest !== undefined) {
    throw refuse(text, "a tag and a digest cannot both be given here");
  }
  return { transport: "docker", reference: withDefaultTag(reference) };
}

const NAME =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

/** Whether a text can be the name of an image in a layout's index (`org.opencontainers.image.ref.name`). */
export function isLayoutName(text: string): boolean {
  return text.length <= 4096 && NAME.test(text);
}

function parseLayoutPath(text: string, rest: string): { path: string } & ImageSelector {
  const { path, selector } = splitPath(text, rest);
  if (selector === undefined || selector === "") return { path };
  if (selector.startsWith("@")) return { path, index: parseIndex(text, selector) };
  if (!isLayoutName(selector))
    throw refuse(text, `"${selector.slice(0, 120)}" cannot be the name of an image`);
  return { path, name: selector };
}

function parseDockerArchive(text: string, rest: string): ImageReference {
  const { path, selector } = splitPath(text, rest);
  if (selector === undefined) return { transport: "docker-archive", path };
  if (selector.startsWith("@"))
    return { transport: "docker-archive", path, index: parseIndex(text, selector) };
  const reference = withDefaultTag(parseDockerReference(selector));
  if (reference.digest !== undefined)
    throw refuse(text, "an archive's images have no digests to be named by");
  return { transport: "docker-archive", path, reference };
}

function splitPath(text: string, rest: string): { readonly path: string; readonly selector?: string } {
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  checkPath(text, path);
  return colon < 0 ? { path } : { path, selector: rest.slice(colon + 1) };
}

function parseIndex(text: string, selector: string): number {
  const digits = selector.slice(1);
  const index = Number(digits);
  if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(index)) {
    throw refuse(text, `"${selector.slice(0, 40)}" is not @ and a number`);
  }
  return index;
}

function checkPath(text: string, path: string): void {
  if (path === "") throw refuse(text, "its path is empty");
  if (path.includes("\0")) throw refuse(text, "its path has a NUL in it");
}

/** The reference as text, which parses to the same value. */
export function printImageReference(reference: ImageReference): string {
  switch (reference.transport) {
    case "docker": {
      const unknown = reference.unknownDigest === true ? UNKNOWN_DIGEST : "";
      return `docker://${printFamiliarReference(reference.reference)}${unknown}`;
    }
    case "oci":
    case "oci-archive":
      return `${reference.transport}:${reference.path}${printSelector(reference.name, reference.index)}`;
    case "dir":
      return `dir:${reference.path}`;
    case "docker-archive": {
      const { path, index } = reference;
      const name =
        reference.reference === undefined ? undefined : printFamiliarReference(reference.reference);
      return `docker-archive:${path}${printSelector(name, index)}`;
    }
    default:
      return `${reference.transport}:${reference.rest}`;
  }
}

function printSelector(name: string | undefined, index: number | undefined): string {
  if (index !== undefined) return `:@${index}`;
  return name === undefined ? "" : `:${name}`;
}

function refuse(text: string, problem: string): Error {
  return ociErrors.error("reference-invalid", `"${text.slice(0, 300)}": ${problem}`, {
    context: { ref: text.slice(0, 300) },
  });
}
