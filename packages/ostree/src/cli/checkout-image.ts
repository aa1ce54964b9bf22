import { composefsImage, imageDigest, recordedDigest } from "../composefs/image.ts";
import { ostreeErrors } from "../errors.ts";
import type { Repo } from "../repo/repo.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";

/** Whether files' digests are in the image. */
export type ImageKind = "verity" | "plain";

interface ImageOptions {
  readonly composefs: boolean;
  readonly "composefs-noverity": boolean;
  readonly [other: string]: unknown;
}

/** Options of a checkout of files that an image cannot be made with. */
const FILES_ONLY = [
  "disable-cache",
  "union-add",
  "union-identical",
  "whiteouts",
  "process-passthrough-whiteouts",
  "require-hardlinks",
  "force-copy",
  "force-copy-zerosized",
  "bareuseronly-dirs",
  "skip-list",
  "selinux-policy",
  "selinux-prefix",
] as const;

/** Whether an image is to be made, and of which kind. */
export function imageWanted(options: ImageOptions): ImageKind | undefined {
  if (!options.composefs && !options["composefs-noverity"]) return undefined;
  if (FILES_ONLY.some((name) => options[name] !== undefined && options[name] !== false)) {
    throw new OstreeFailure("Specified options are incompatible with --composefs");
  }
  return options["composefs-noverity"] ? "plain" : "verity";
}

/** Writes the composefs image of a commit to a file, which it replaces. */
export async function checkoutImage(
  cli: Cli,
  repo: Repo,
  commit: string,
  destination: string,
  kind: ImageKind,
  { fsync, signal }: { readonly fsync?: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  const { metadata, ...root } = repo.readCommit(commit);
  const image = await composefsImage(repo, root, {
    verity: kind === "verity",
    ...(signal === undefined ? {} : { signal }),
  });
  const expected = kind === "verity" ? recordedDigest(metadata) : undefined;
  if (expected !== undefined) {
    const actual = imageDigest(image);
    if (Buffer.compare(actual, expected) !== 0) {
      const found = Buffer.from(actual).toString("hex");
      const wanted = Buffer.from(expected).toString("hex");
      throw ostreeErrors.error(
        "composefs-digest-mismatch",
        `Generated composefs image digest (${found}) doesn't match expected digest (${wanted})`,
        { context: { digest: wanted, actual: found } },
      );
    }
  }
  const { dir, name } = cli.openParent(destination);
  using parent = dir;
  const sync = (fsync ?? repo.config.fsync) ? "data-and-directories" : "none";
  parent.atomicWrite(name, image, { mode: 0o644, sync });
}
