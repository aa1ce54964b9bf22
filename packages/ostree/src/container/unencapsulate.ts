import type { AdoptOptions, Image } from "@bootc-store/backend";
import { withContext } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { Repo } from "../repo/repo.ts";
import { mergeDocuments } from "./documents.ts";
import { blobOf } from "./layer-cache.ts";
import { layoutOf, type PlacedLayer } from "./layout.ts";
import { checkComplete, storeObjectLayer } from "./object-layer.ts";

export interface UnencapsulateOptions extends AdoptOptions {
  /** A ref to set to the commit. Without one nothing keeps it. */
  readonly ref?: string;
}

/**
 * The commit that an image was made of, with its detached metadata. No refs of images or layers are set. Throws
 * `ostree/image-layout-invalid` for an image that has layers of files.
 */
export async function unencapsulate(
  repo: Repo,
  image: Image,
  options: UnencapsulateOptions = {},
): Promise<Checksum> {
  const { base, chunks, derived } = layoutOf(image, mergeDocuments(image.manifest, image.config));
  if (base === undefined || derived.length > 0) {
    throw ostreeErrors.error("image-layout-invalid", `Image has ${derived.length} non-ostree layers`);
  }
  const common = options.signal === undefined ? {} : { signal: options.signal };
  await using transaction = await repo.begin(common);
  const store = async (layer: PlacedLayer, kind: "base" | "contents") =>
    await withContext({ op: "import layer", digest: blobOf(layer) }, async () =>
      storeObjectLayer(transaction, await image.openLayer(layer.index, common), kind, common),
    );
  const { commit } = await store(base, "base");
  if (commit === undefined) throw ostreeErrors.error("image-layer-invalid", "the layer has no commit");
  for (const chunk of chunks) await store(chunk, "contents");
  checkComplete(transaction, commit);
  if (options.ref !== undefined) transaction.setRef(options.ref, commit);
  await transaction.commit();
  return commit;
}
