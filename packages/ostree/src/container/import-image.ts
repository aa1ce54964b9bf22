import { type Image, TallyBuilder } from "@bootc-store/backend";

import { ostreeErrors } from "../errors.ts";
import type { Repo } from "../repo/repo.ts";
import { type MergeDocuments, mergeDocuments } from "./documents.ts";
import { findImage, removeUnusedLayers, type StoredImage } from "./images.ts";
import { blobOf } from "./layer-cache.ts";
import { layoutOf } from "./layout.ts";
import { layerRef } from "./refs.ts";
import { ImageImport } from "./image-import.ts";
import type { ImportedImage, ImportImageOptions } from "./import-options.ts";

/**
 * Stores a container image as ostree-ext does in a repository that has no other: a commit for each layer and one of the
 * merged tree, with their refs. All of it becomes visible together, or nothing. Layers whose contents are files of their own
 * are to stay readable until this ends. Throws `ostree/image-…`, `ostree/mode-unsupported`, and what layers are refused for.
 */
export async function importImage(
  repo: Repo,
  image: Image,
  options: ImportImageOptions = {},
): Promise<ImportedImage> {
  const documents = mergeDocuments(image.manifest, image.config);
  const layout = layoutOf(image, documents);
  const { reference } = options;
  const before = reference === undefined || options.again === true ? undefined : findImage(repo, reference);
  if (before !== undefined && isSame(before, documents)) {
    return {
      commit: before.commit,
      ref: before.ref,
      created: false,
      layersPresent: image.layers.length,
      layersImported: 0,
      bytesImported: 0,
      dropped: new Map(),
      content: new TallyBuilder().tally(),
    };
  }
  checkMode(repo);
  await using transaction = await repo.begin({
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.fsync === undefined ? {} : { fsync: options.fsync }),
  });
  const result = await new ImageImport(transaction, image, layout, documents, options).run();
  await transaction.commit();
  if (options.collect !== false)
    removeUnusedLayers(
      repo,
      image.layers.map((_, at) => refAt(image, at)),
    );
  return { ...result, ...(before === undefined ? {} : { replaced: before }) };
}

function refAt(image: Image, index: number): string {
  return layerRef(blobOf({ ...(image.layers[index] as Image["layers"][number]), index }));
}

/** Another manifest of the same configuration is the same image. */
function isSame(stored: StoredImage, documents: MergeDocuments): boolean {
  if (stored.manifestDigest === documents.manifestDigest) return true;
  return documents.configDigest === stored.configDigest;
}

function checkMode({ mode }: Repo): void {
  if (mode === "archive")
    throw ostreeErrors.error(
      "mode-unsupported",
      "Bare repository mode cannot hardlink in user checkout mode",
    );
  if (mode === "bare-split-xattrs")
    throw ostreeErrors.error("mode-unsupported", "Writing content object: Not allowed due to repo mode");
}
