import type { ImageSummary } from "@bootc-store/backend";
import { isStoreError, parseDigestOptional } from "@bootc-store/core";

import { lookupValue } from "../gvariant/index.ts";
import type { Repo } from "../repo/repo.ts";

const PREFIX = "ostree/container/image/";

/** Container images that were merged into commits, by their refs. One whose commit cannot be read has no digest. */
export function* listImages(repo: Repo): Generator<ImageSummary> {
  const images = new Map<string, string[]>();
  for (const { owner, ref, checksum } of repo.refs.listAll()) {
    if (owner.kind !== "heads" || !ref.startsWith(PREFIX)) continue;
    images.set(checksum, [...(images.get(checksum) ?? []), unescapeRef(ref.slice(PREFIX.length))]);
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

/** The reference in a ref: `__` is `_`, `_HEX_` a character. What was not escaped so stays as it is. */
function unescapeRef(text: string): string {
  return text.replace(/__|_([0-9A-F]{1,6})_/g, (whole, hex: string | undefined) => {
    if (hex === undefined) return "_";
    const point = Number.parseInt(hex, 16);
    return point <= 0x10_ffff ? String.fromCodePoint(point) : whole;
  });
}
