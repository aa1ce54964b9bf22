// What is known of an update that was looked for and not pulled yet: detached metadata of the image's merge commit.

import type { ExactDocument } from "@bootc-store/oci";

import { type Dict, gvariant, lookupValue, variant } from "../gvariant/index.ts";
import { inHashOrder } from "../gvariant/hash-order.ts";
import type { Repo } from "../repo/repo.ts";
import { mergeDocuments } from "./documents.ts";
import type { StoredImage } from "./images.ts";

const DETACHED = gvariant("a{sv}");
const PREFIX = "ostree-ext.cached.";

export interface CachedUpdate {
  readonly manifestDigest: string;
  /** Canonical JSON. */
  readonly manifest: string;
  readonly config: string;
}

/** The update that was found last; `undefined` if none is known. */
export function readCachedUpdate(repo: Repo, image: StoredImage): CachedUpdate | undefined {
  const detached = readDetached(repo, image);
  const text = (name: string): string | undefined => lookupValue(detached, `${PREFIX}${name}`, "s");
  const [manifestDigest, manifest, config] = [text("manifest-digest"), text("manifest"), text("config")];
  return manifestDigest === undefined || manifest === undefined || config === undefined
    ? undefined
    : { manifestDigest, manifest, config };
}

/**
 * Keeps what there is to update an image to, if it is another one. Returns what is kept; `undefined` where the documents are
 * those of the image itself.
 */
export async function cacheUpdate(
  repo: Repo,
  image: StoredImage,
  documents: { readonly manifest: ExactDocument; readonly config: ExactDocument },
): Promise<CachedUpdate | undefined> {
  const found = mergeDocuments(documents.manifest, documents.config);
  if (found.manifestDigest === image.manifestDigest || found.configDigest === image.configDigest)
    return undefined;
  const { manifestDigest, manifest, config } = found;
  const kept = readDetached(repo, image).filter(([key]) => !key.startsWith(PREFIX));
  await writeDetached(
    repo,
    image,
    inHashOrder([
      ...kept,
      [`${PREFIX}config`, variant("s", config)],
      [`${PREFIX}manifest`, variant("s", manifest)],
      [`${PREFIX}manifest-digest`, variant("s", manifestDigest)],
    ]),
  );
  return { manifestDigest, manifest, config };
}

/** Forgets the update. What else is kept beside the commit stays. */
export async function clearCachedUpdate(repo: Repo, image: StoredImage): Promise<void> {
  const before = readDetached(repo, image);
  const kept = before.filter(([key]) => !key.startsWith(PREFIX));
  if (kept.length < before.length) await writeDetached(repo, image, kept);
}

function readDetached(repo: Repo, { commit }: StoredImage): Dict {
  const bytes = repo.reader.readMetadataOptional(commit, "commitmeta");
  return bytes === undefined || bytes.length === 0
    ? []
    : DETACHED.decode(bytes, { format: `${commit}.commitmeta` });
}

async function writeDetached(repo: Repo, { commit }: StoredImage, metadata: Dict): Promise<void> {
  await using transaction = await repo.begin();
  transaction.writeDetachedMetadata(commit, metadata);
  await transaction.commit();
}
