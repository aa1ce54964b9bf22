import type { Image } from "@bootc-store/backend";
import { type Broken, streamsOfImage } from "@bootc-store/composefs";
import { type Finding, isStoreError, printDigest, signalOf, throwIfAborted } from "@bootc-store/core";
import {
  HEADS,
  IMAGE_PREFIX,
  imageOfCommit,
  importImage,
  layerRef,
  type Repo,
  type RepoFinding,
  type SetAside,
  setDamagedAside,
  unescapeFromRef,
} from "@bootc-store/ostree";

import type { ExistingStores } from "./existing-stores.ts";
import { damageOf } from "./damage.ts";
import type { Repaired, RepairOptions } from "./repair.ts";

/** A ref of an image some of whose objects are damaged or missing. */
interface DamagedRef {
  readonly ref: string;
  readonly commit: string;
  /** `undefined` where the commit itself cannot be read. */
  readonly manifest: string | undefined;
}

/** Images whose objects are damaged or missing are stored again; what is intact of them is found there and stays. */
export async function repairOstree(
  stores: ExistingStores,
  findings: readonly Finding[],
  broken: Broken,
  options: RepairOptions,
  tell: (what: Repaired) => void,
): Promise<void> {
  const { ostree } = stores;
  const own: RepoFinding[] = damageOf("ostree", findings);
  if (ostree === undefined || own.length === 0) return;
  const { repo } = ostree;
  const refs = damagedRefs(repo, own);
  if (refs.length === 0) return;
  const keys = own
    .filter(({ code }) => code === "ostree/object-damaged" || code === "ostree/object-invalid")
    .map(({ subject }) => subject.id);
  let aside: SetAside | undefined;
  const done = new Set<string>();
  try {
    for await (const image of wholeImages(stores, broken, options)) {
      const manifest = printDigest(image.manifest.digest);
      const common = {
        ...signalOf(options),
        again: true,
        collect: false,
        layerTimestamp: timestampsOf(repo, image),
      };
      for (const { ref, commit, manifest: wanted } of refs) {
        throwIfAborted(options.signal);
        if (done.has(ref) || (wanted !== undefined && wanted !== manifest)) continue;
        aside ??= await setDamagedAside(repo, keys, signalOf(options));
        // What a ref was of is known only by its checksum where the commit cannot be read.
        if (wanted === undefined && (await importImage(repo, image, common)).commit !== commit) continue;
        const reference = unescapeFromRef(ref.slice(IMAGE_PREFIX.length + 1));
        await importImage(repo, image, { ...common, reference });
        done.add(ref);
        tell({ store: "ostree", kind: "image", id: ref, from: "composefs" });
      }
    }
  } finally {
    aside?.settle();
  }
}

function damagedRefs(repo: Repo, findings: readonly RepoFinding[]): DamagedRef[] {
  const damaged = new Set(findings.flatMap(({ commits }) => commits ?? []));
  for (const { code, expected } of findings)
    if (code === "ostree/ref-dangling" && expected !== undefined) damaged.add(expected);
  const known = new Set<string>();
  const all: (DamagedRef & { readonly hit: boolean })[] = [];
  for (const { ref, checksum } of repo.refs.list(HEADS)) {
    if (!ref.startsWith(`${IMAGE_PREFIX}/`)) continue;
    const image = readable(repo, checksum);
    const layers = (image?.layers ?? []).map(({ digest }) => repo.refs.read(HEADS, layerRef(digest)));
    const hit =
      image === undefined ||
      // A layer whose ref is gone cannot be told from one that was never there, so it counts.
      [checksum, ...layers].some((commit) => commit === undefined || damaged.has(commit));
    for (const commit of [checksum, ...layers]) if (commit !== undefined) known.add(commit);
    all.push({ ref, commit: checksum, manifest: image?.manifestDigest, hit });
  }
  // A check names one commit of those that need an object: where that is none of an image, any image may need it too.
  return [...damaged].some((commit) => !known.has(commit)) ? all : all.filter(({ hit }) => hit);
}

function readable(repo: Repo, commit: string): ReturnType<typeof imageOfCommit> {
  try {
    return imageOfCommit(repo, commit);
  } catch (error) {
    // It is damaged; its checksum is all that is known of it.
    if (!isStoreError(error) || error.kind === "bug") throw error;
    return undefined;
  }
}

/** When the commits of an image's layers were made, as far as they can be read: those made again are then the same. */
function timestampsOf(repo: Repo, image: Image): Map<string, number> {
  const found = new Map<string, number>();
  for (const { blob, diffId } of image.layers) {
    const digest = printDigest(blob?.digest ?? diffId);
    const commit = repo.refs.read(HEADS, layerRef(digest));
    if (commit === undefined || !repo.reader.has(commit, "commit")) continue;
    try {
      found.set(digest, Number(repo.readCommit(commit).timestamp));
    } catch (error) {
      if (!isStoreError(error) || error.kind === "bug") throw error;
    }
  }
  return found;
}

/** Images that composefs has whole. Layers of containers-storage cannot be read for as long as an import takes. */
async function* wholeImages(
  { composefs }: ExistingStores,
  broken: Broken,
  options: RepairOptions,
): AsyncGenerator<Image> {
  if (composefs === undefined) return;
  for await (const { id } of composefs.listImages(signalOf(options))) {
    await using image = await composefs.openImage(id, signalOf(options));
    if (image === undefined || streamsOfImage(image).some((name) => broken.streams.has(name))) continue;
    yield image;
  }
}
