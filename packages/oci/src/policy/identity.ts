// Whether the name that was signed is the name that was asked for.

import { isStoreError } from "@bootc-store/core";

import {
  type DockerReference,
  parseDockerReference,
  printDockerReference,
  repositoryOf,
} from "../reference/docker-reference.ts";
import type { SignedIdentity } from "./policy.ts";

/** @param intended what was asked for; images that are not in a registry have no such name. */
export function identityMatches(
  identity: SignedIdentity,
  intended: DockerReference | undefined,
  signedText: string,
): boolean {
  const signed = parseOptional(signedText);
  if (signed === undefined) return false;
  switch (identity.type) {
    case "exactReference":
      return (
        printDockerReference(parseDockerReference(identity.dockerReference)) === printDockerReference(signed)
      );
    case "exactRepository":
      return repositoryOf(parseDockerReference(identity.dockerRepository)) === repositoryOf(signed);
    case "matchRepository":
      return intended !== undefined && repositoryOf(intended) === repositoryOf(signed);
    case "matchExact":
      return intended !== undefined && exact(intended, signed);
    case "matchRepoDigestOrExact":
      return intended !== undefined && digestOrExact(intended, signed);
    default: {
      const mapped =
        intended === undefined ? undefined : remap(intended, identity.prefix, identity.signedPrefix);
      return mapped !== undefined && digestOrExact(mapped, signed);
    }
  }
}

function exact(intended: DockerReference, signed: DockerReference): boolean {
  const named = ({ tag, digest }: DockerReference): boolean => tag !== undefined || digest !== undefined;
  return named(intended) && named(signed) && printDockerReference(intended) === printDockerReference(signed);
}

/** By digest the manifest is bound already, so the repository will do. */
function digestOrExact(intended: DockerReference, signed: DockerReference): boolean {
  if (intended.tag === undefined && intended.digest !== undefined) {
    return repositoryOf(intended) === repositoryOf(signed);
  }
  return exact(intended, signed);
}

function remap(intended: DockerReference, prefix: string, signedPrefix: string): DockerReference | undefined {
  const text = printDockerReference(intended);
  const next = text[prefix.length];
  if (!text.startsWith(prefix) || !(next === undefined || "/:@".includes(next))) return intended;
  return parseOptional(`${signedPrefix}${text.slice(prefix.length)}`);
}

function parseOptional(text: string): DockerReference | undefined {
  try {
    return parseDockerReference(text);
  } catch (error) {
    if (isStoreError(error, "oci/reference-invalid")) return undefined;
    throw error;
  }
}
