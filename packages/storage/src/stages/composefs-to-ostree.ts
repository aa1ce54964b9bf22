// Stage 3: an image out of composefs into ostree, from its layers as segments: the composefs tree itself has lost
// attributes that ostree keeps. The tree is merged by ostree-ext's rules, contents are cloned from composefs' objects.

import type { AdoptOptions, Content, ContentTally, Image } from "@bootc-store/backend";
import type { ComposefsBackend } from "@bootc-store/composefs";
import { throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { layerEntries, segmentItems } from "@bootc-store/oci";
import type { Repo } from "@bootc-store/ostree";
import { type FileContent, LayerMerge, OstreeExtFilter, ostreeExtRules, type Tree } from "@bootc-store/tree";

import { storageErrors } from "../errors.ts";

export interface OstreeStageOptions extends AdoptOptions {
  /** The ref that the commit gets. */
  readonly branch: string;
  readonly subject?: string;
  /** Seconds since 1970; what the image says of when it was made, else 0. */
  readonly timestamp?: number;
}

export interface OstreeStageResult {
  readonly commit: string;
  readonly created: boolean;
  readonly content: ContentTally;
}

/** Throws `storage/image-missing`. */
export async function composefsToOstree(
  composefs: ComposefsBackend,
  repo: Repo,
  reference: string,
  options: OstreeStageOptions,
): Promise<OstreeStageResult> {
  await using image = await composefs.openImage(reference, options);
  if (image === undefined) {
    throw storageErrors.error("image-missing", `the composefs repository has no image ${reference}`, {
      context: { ref: reference },
    });
  }
  const tree = await mergeForOstree(image, options.signal);
  const { branch, subject, timestamp, ...rest } = options;
  const written = await repo.writeTree(
    { tree, contents: composefs },
    {
      ...rest,
      branch,
      timestamp: timestamp ?? createdOf(image),
      ...(subject === undefined ? {} : { subject }),
    },
  );
  return { commit: written.id, created: written.created, content: written.content };
}

/** The image's tree as ostree-ext makes it: `/etc` in `/usr/etc`, what is made anew at each boot dropped. */
async function mergeForOstree(image: Image, signal: AbortSignal | undefined): Promise<Tree> {
  const merge = new LayerMerge(ostreeExtRules);
  for (const index of image.layers.keys()) {
    throwIfAborted(signal);
    const layer = await image.openLayer(index, signal === undefined ? {} : { signal });
    const filter = new OstreeExtFilter({ nonUsr: false });
    for await (const entry of layerEntries<Dir>(segmentItems(layer.segments()), { content: contentOf })) {
      const kept = filter.apply(entry);
      if (kept !== undefined) merge.add(kept);
    }
    merge.endLayer();
  }
  return merge.tree;
}

/** Contents that are objects stay where they are; the others came with the stream. */
async function contentOf(content: Content): Promise<FileContent> {
  if (content.file !== undefined)
    return { kind: "external", key: content.file.name.replace(/^objects\//, "") };
  const parts: Uint8Array[] = [];
  for await (const part of content.read()) parts.push(part);
  return { kind: "inline", bytes: Buffer.concat(parts) };
}

function createdOf(image: Image): number {
  const { created } = JSON.parse(Buffer.from(image.config.bytes).toString("utf8")) as { created?: unknown };
  const time = typeof created === "string" ? Date.parse(created) : Number.NaN;
  return Number.isNaN(time) ? 0 : Math.floor(time / 1000);
}
