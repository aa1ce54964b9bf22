import { isStoreError } from "@bootc-store/core";
import {
  type DockerReference,
  parseDockerReference,
  printDockerReference,
  withDefaultTag,
} from "@bootc-store/oci";

/** A name as the store keeps it: normalised, with the tag `latest` where it has neither tag nor digest. */
export function normalName(text: string): string {
  return printDockerReference(withDefaultTag(parseDockerReference(text)));
}

/** The name in its parts; `undefined` if it is none. */
export function parseNameOptional(text: string): DockerReference | undefined {
  try {
    return withDefaultTag(parseDockerReference(text));
  } catch (error) {
    if (isStoreError(error, "oci/reference-invalid")) return undefined;
    throw error;
  }
}

/** Names with duplicates left out, first ones kept. */
export function uniqueNames(names: Iterable<string>): string[] {
  return [...new Set(names)];
}

/** The history of an image's names after they were set: each name in turn is moved to the front. */
export function nextHistory(history: readonly string[], names: readonly string[]): string[] {
  return uniqueNames([...[...names].reverse(), ...history]);
}
