import { type JsonObject, parseJson } from "@bootc-store/oci";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { Commit } from "../format/commit.ts";
import { lookupValue } from "../gvariant/index.ts";
import { HEADS } from "../repo/refs.ts";
import type { Repo } from "../repo/repo.ts";
import { IMAGE_PREFIX, imageRefOf, LAYER_PREFIX, layerRef, unescapeFromRef } from "./refs.ts";

/** Keys of a merge commit's metadata. */
export const KEYS = {
  config: "ostree.container.image-config",
  importer: "ostree.importer.version",
  manifest: "ostree.manifest",
  manifestDigest: "ostree.manifest-digest",
} as const;

/** A layer as the manifest of a stored image has it. */
export interface StoredLayer {
  readonly digest: string;
  /** Bytes of the blob. */
  readonly size: number;
  /** Absent where the configuration has none for it. */
  readonly diffId?: string;
}

/** A container image in a repository. */
export interface StoredImage {
  readonly ref: string;
  /** Transport and name; `undefined` for a commit that is kept by another ref. */
  readonly reference: string | undefined;
  readonly commit: Checksum;
  /** The commit that came in the image's layer of ostree objects. */
  readonly base: Checksum | undefined;
  /** Canonical JSON. */
  readonly manifest: string;
  /** Absent in commits of old programs. */
  readonly config: string | undefined;
  readonly manifestDigest: string;
  readonly configDigest: string;
  readonly layers: readonly StoredLayer[];
}

/** Images that have a ref of their own, in the order of the refs. */
export function listImages(repo: Repo): StoredImage[] {
  const found: StoredImage[] = [];
  for (const { ref, checksum } of repo.refs.list(HEADS)) {
    if (!ref.startsWith(`${IMAGE_PREFIX}/`)) continue;
    found.push(readImage(repo, ref, checksum));
  }
  return found;
}

/** The image of a reference as it is printed without who vouches for it; `undefined` if there is none. */
export function findImage(repo: Repo, reference: string): StoredImage | undefined {
  const ref = imageRefOf(reference);
  const commit = repo.refs.read(HEADS, ref);
  return commit === undefined ? undefined : readImage(repo, ref, commit);
}

/** Every image whose layers are to be kept: those with a ref, and those that are deployed or are bases. */
export function wantedImages(repo: Repo): StoredImage[] {
  const found: StoredImage[] = [];
  for (const { ref, checksum } of repo.refs.list(HEADS)) {
    if (ref.startsWith(`${LAYER_PREFIX}/`)) continue;
    if (ref.startsWith(`${IMAGE_PREFIX}/`)) found.push(readImage(repo, ref, checksum));
    else if (/^(?:ostree\/\d|ostree\/container\/baseimage|rpmostree\/base)\//.test(ref)) {
      const commit = readMerge(repo, checksum);
      if (commit !== undefined) found.push(imageOf(ref, undefined, checksum, commit));
    }
  }
  return found;
}

/** What a merge commit says of its image. Throws `ostree/image-document-invalid` for another commit. */
export function readImage(repo: Repo, ref: string, commit: Checksum): StoredImage {
  const merge = readMerge(repo, commit);
  if (merge === undefined) {
    throw ostreeErrors.error("image-document-invalid", `${ref}: the commit ${commit} has no manifest`, {
      context: { ref, digest: commit },
    });
  }
  const reference = ref.startsWith(`${IMAGE_PREFIX}/`)
    ? unescapeFromRef(ref.slice(IMAGE_PREFIX.length + 1))
    : undefined;
  return imageOf(ref, reference, commit, merge);
}

/** The image that a commit was made of; `undefined` for a commit that was made of none, or is not there. */
export function imageOfCommit(repo: Repo, commit: Checksum): StoredImage | undefined {
  const merge = readMerge(repo, commit);
  return merge === undefined ? undefined : imageOf(commit, undefined, commit, merge);
}

function readMerge(repo: Repo, checksum: Checksum): Commit | undefined {
  if (!repo.reader.has(checksum, "commit")) return undefined;
  const commit = repo.readCommit(checksum);
  return lookupValue(commit.metadata, KEYS.manifest, "s") === undefined ? undefined : commit;
}

function imageOf(
  ref: string,
  reference: string | undefined,
  checksum: Checksum,
  commit: Commit,
): StoredImage {
  const manifest = lookupValue(commit.metadata, KEYS.manifest, "s") ?? "";
  const config = lookupValue(commit.metadata, KEYS.config, "s");
  const parsed = objectOf(parseJson(manifest, { what: `manifest of ${ref}` }));
  const diffIds =
    config === undefined ? [] : diffIdsOf(parseJson(config, { what: `configuration of ${ref}` }));
  const layers = Array.isArray(parsed["layers"]) ? parsed["layers"].map((each) => objectOf(each)) : [];
  return {
    ref,
    reference,
    commit: checksum,
    base: commit.parent,
    manifest,
    config,
    manifestDigest: lookupValue(commit.metadata, KEYS.manifestDigest, "s") ?? "",
    configDigest: textOf(objectOf(parsed["config"])["digest"]),
    layers: layers.map((layer, at) => {
      const diffId = diffIds[at];
      return {
        digest: textOf(layer["digest"]),
        size: Number(layer["size"]),
        ...(diffId === undefined ? {} : { diffId }),
      };
    }),
  };
}

function diffIdsOf(config: unknown): string[] {
  const list = objectOf(objectOf(config)["rootfs"])["diff_ids"];
  return Array.isArray(list) ? list.map(String) : [];
}

function objectOf(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Removes the refs of layers that no image has. Objects stay until the repository is pruned. Returns how many. */
export function removeUnusedLayers(repo: Repo, besides: Iterable<string> = []): number {
  const wanted = new Set<string>(besides);
  for (const image of wantedImages(repo)) for (const { digest } of image.layers) wanted.add(layerRef(digest));
  let removed = 0;
  for (const { ref } of repo.refs.list(HEADS)) {
    if (!ref.startsWith(`${LAYER_PREFIX}/`) || wanted.has(ref)) continue;
    repo.refs.write(HEADS, ref, undefined);
    removed++;
  }
  return removed;
}

/** Removes the refs of images. Those that are not there are returned; the others are removed nevertheless. */
export function removeImages(
  repo: Repo,
  references: readonly string[],
): { readonly removed: number; readonly missing: readonly string[] } {
  const missing: string[] = [];
  let removed = 0;
  for (const reference of references) {
    const ref = imageRefOf(reference);
    if (repo.refs.read(HEADS, ref) === undefined) missing.push(reference);
    else {
      repo.refs.write(HEADS, ref, undefined);
      removed++;
    }
  }
  return { removed, missing };
}
