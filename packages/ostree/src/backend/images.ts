import type { ImageSummary } from "@bootc-store/backend";
import { isStoreError, parseDigestOptional } from "@bootc-store/core";

import { IMAGE_PREFIX, unescapeFromRef } from "../container/refs.ts";
import { lookupValue } from "../gvariant/index.ts";
import type { Repo } from "../repo/repo.ts";

const PREFIX = `${IMAGE_PREFIX}/`;

/** Container images that were merged into commits, by their refs. One whose commit cannot be read has no digest. */
export function* listImages(repo: Repo): Generator<ImageSummary> {
  const images = new Map<string, string[]>();
  for (const { owner, ref, checksum } of repo.refs.listAll()) {
    if (owner.kind !== "heads" || !ref.startsWith(PREFIX)) continue;
    images.set(checksum, [...(images.get(checksum) ?? []), nameOf(ref)]);
  }
  for (const [id, names] of images) yield { id, names, ...digestOf(repo, id) };
}

function digestOf(repo: Repo, commit: string): Pick<ImageSummary, "manifestDigest"> {
  try {
    const text = lookupValue(repo.readCommit(commit).metadata, "ostree.manifest-digest", "s");
    const manifestDigest = text === undefined ? undefined : parseDigestOptional(text);
    return manifestDigest === undefined ? {} : { manifestDigest };
  } catch (error) {
    if (isStoreError(error) && (error.kind === "corrupt" || error.kind === "not-found")) return {};
    throw error;
  }
}

/** The reference in a ref. What was not escaped so stays as it is. */
function nameOf(ref: string): string {
  const text = ref.slice(PREFIX.length);
  try {
    return unescapeFromRef(text);
  } catch (error) {
    if (isStoreError(error, "ostree/ref-invalid")) return text;
    throw error;
  }
}
