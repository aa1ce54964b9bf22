// An image into the store: its layers staged side by side, then committed together, then the image with all of its
// items, and its names.

import {
  type Image,
  type ImageWriteOptions,
  type Layer,
  TallyBuilder,
  type WrittenImage,
} from "@bootc-store/backend";
import {
  concatBytes,
  crashPoint,
  type Digest,
  equalDigests,
  isStoreError,
  printDigest,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";
import {
  type ExactDocument,
  type ImageConfig,
  layerCompression,
  type Manifest,
  parseConfig,
  parseManifest,
} from "@bootc-store/oci";

import { readBigData, withBigData, writeBigData } from "../big-data.ts";
import { Cleanup } from "../cleanup.ts";
import { deleteLayer } from "../delete.ts";
import { containersStorageErrors } from "../errors.ts";
import { bigDataFileName } from "../format/big-data-name.ts";
import { nextHistory, uniqueNames } from "../format/image-name.ts";
import type { ImageRecord } from "../format/images-json.ts";
import { layerId } from "../format/layer-id.ts";
import { defined } from "../format/layers-json.ts";
import { timeNow } from "../format/record.ts";
import { SIGNATURES, signatureKey, withSignatureSizes } from "../format/signatures.ts";
import { withRecord } from "../with-record.ts";
import {
  commitLayers,
  type LayerBlob,
  type LayerToCommit,
  removeIncomplete,
  StagedLayer,
} from "../layers-write.ts";
import { undo } from "../undo.ts";
import { openLayerRecord, type StoreRoot } from "./layer-source.ts";

/** How many layers stream at once, as the real tools do by default. */
const PARALLEL = 6;

export interface WriteImageOptions extends ImageWriteOptions {
  readonly pool: Pool;
  /** Additional stores, whose layers need not be written again. */
  readonly additional: readonly StoreRoot[];
  /** Everything is on the device before the records name it. Default: as the real library, which leaves that to the kernel. */
  readonly sync?: boolean;
  /** Of the manifest, each in the form in which containers/image keeps it. Without them, those that are there stay. */
  readonly signatures?: readonly Uint8Array[];
  /** The index by which the manifest was found, kept beside it. */
  readonly index?: ExactDocument;
}

export async function writeImage(
  root: StoreRoot,
  image: Image,
  options: WriteImageOptions,
): Promise<WrittenImage> {
  root.places.requireWritable();
  const { signal } = options;
  throwIfAborted(signal);
  const facts = checkDocuments(image);
  if (options.index !== undefined) checkIndex(options.index, image.manifest.digest);
  const plan = planLayers(facts.config.diffIds);
  const tally = new TallyBuilder();
  using cleanup = new Cleanup();
  const { missing, elsewhere } = await findMissing(root, plan, options);
  for (const each of plan) if (!missing.includes(each)) tally.add("reused", elsewhere.get(each.id) ?? 0);
  const staged = await stageLayers(root, image, missing, options, cleanup);
  const commits = missing.map((each, at): LayerToCommit => {
    const blob = blobOf(facts.manifest, each.index);
    const layer = staged[at] as StagedLayer;
    return { id: each.id, parent: each.parent, staged: layer, blob };
  });
  const made = await commitLayers(root.places, root.records, commits, {
    hasParent: (id) => elsewhere.has(id),
    ...defined({ signal, sync: options.sync }),
  });
  const isNew = new Set(commits.filter((_, at) => made[at]).map(({ id }) => id));
  for (const { id, staged: layer } of commits) {
    if (isNew.has(id)) tally.addAll(layer.applied.content);
    else tally.add("reused", layer.applied.size);
  }
  const top = plan.at(-1)?.id;
  let created = false;
  try {
    created = await commitImage(root, image, facts, top, options, elsewhere);
  } catch (error) {
    await undo(error, () => removeUnused(root, [...isNew].reverse()));
  }
  return {
    id: facts.manifest.config.digest.hex,
    created,
    layers: plan.map(({ id, diffId }) => ({ diffId, created: isNew.has(id) })),
    content: tally.tally(),
  };
}

/** Layers of an image that came to nothing, top first, as far as nobody else uses them by now. */
async function removeUnused(root: StoreRoot, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    try {
      await deleteLayer(root, id, undefined);
    } catch (error) {
      if (isStoreError(error, "containers-storage/layer-in-use", "containers-storage/layer-not-found"))
        return;
      throw error;
    }
  }
}

interface Facts {
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/** That the documents have the digests they are known by, and agree with each other and with the layers. */
function checkDocuments(image: Image): Facts {
  const { layers } = image;
  const manifest = parseManifest(image.manifest.bytes, image.manifest);
  if (manifest.kind === "index") {
    throw containersStorageErrors.error("feature-unsupported", "the manifest is an index of several images");
  }
  const config = parseConfig(image.config.bytes, image.config);
  if (!equalDigests(manifest.config.digest, image.config.digest)) {
    throw invalid(
      `the manifest has the config ${printDigest(manifest.config.digest)}, not ${printDigest(image.config.digest)}`,
    );
  }
  const { diffIds } = config;
  const fits =
    layers.length === diffIds.length &&
    layers.every(({ diffId }, at) => equalDigests(diffId, diffIds[at] as Digest));
  if (!fits) throw invalid("the layers are not those that the config names");
  if (manifest.layers.length !== layers.length) {
    throw invalid(`the manifest has ${manifest.layers.length} layers and the config ${layers.length}`);
  }
  return { manifest, config };
}

/** That an index is one, has the digest it is known by, and names the manifest. */
function checkIndex(document: ExactDocument, manifest: Digest): void {
  const index = parseManifest(document.bytes, document);
  if (index.kind === "index" && index.entries.some(({ digest }) => equalDigests(digest, manifest))) return;
  throw invalid(`the document ${printDigest(document.digest)} is no index that names the manifest`);
}

interface PlannedLayer {
  readonly index: number;
  readonly id: string;
  readonly parent: string | undefined;
  readonly diffId: Digest;
}

function planLayers(diffIds: readonly Digest[]): PlannedLayer[] {
  let parent: string | undefined;
  return diffIds.map((diffId, index) => {
    const id = layerId(parent, diffId);
    const planned = { index, id, parent, diffId };
    parent = id;
    return planned;
  });
}

/** Layers that no store has, and the sizes of those that one has. What died half-made is removed first, and made again. */
async function findMissing(
  root: StoreRoot,
  plan: readonly PlannedLayer[],
  options: WriteImageOptions,
): Promise<{ missing: PlannedLayer[]; elsewhere: Map<string, number> }> {
  const { signal } = options;
  const known = new Map<string, number>();
  for (const each of options.additional) {
    for (const layer of await each.records.layers(signal)) known.set(layer.id, layer.diffSize ?? 0);
  }
  const elsewhere = new Map(known);
  const own = await root.records.layers(signal);
  if ([...own].some(({ flags }) => flags["incomplete"] === true)) {
    await root.records.change(
      ["layers"],
      signal,
      async (change) => void (await removeIncomplete(root.places, change)),
    );
  }
  for (const layer of await root.records.layers(signal)) known.set(layer.id, layer.diffSize ?? 0);
  const missing = plan.filter(({ id }) => !known.has(id));
  for (const { id } of plan) if (known.has(id)) elsewhere.set(id, known.get(id) ?? 0);
  return { missing, elsewhere };
}

/** Stages layers, several at once. Results are in the order of the layers; the first failure stops the others. */
async function stageLayers(
  root: StoreRoot,
  image: Image,
  missing: readonly PlannedLayer[],
  options: WriteImageOptions,
  cleanup: Cleanup,
): Promise<StagedLayer[]> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const staged: StagedLayer[] = [];
  const queue = [...missing.entries()];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [at, planned] = next;
      const layer = await layerFor(root, image, planned, options, signal);
      const { onProgress, pool, clone } = options;
      const each = cleanup.use(
        await StagedLayer.create(root.places, layer, { pool, signal, ...defined({ clone, onProgress }) }),
      );
      staged[at] = each;
      onProgress?.({
        type: "done",
        task: "write-layer",
        id: printDigest(planned.diffId),
        unit: "bytes",
        done: each.applied.size,
        total: each.applied.size,
      });
    }
  };
  const workers = Array.from({ length: Math.min(PARALLEL, missing.length) }, async () => {
    try {
      await work();
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const outcomes = await Promise.allSettled(workers);
  throwIfAborted(options.signal);
  if (stop.signal.aborted) throw stop.signal.reason;
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return staged;
}

/** The layer as the store has it under another parent, if it has; else from the image. */
async function layerFor(
  root: StoreRoot,
  image: Image,
  { diffId, index }: PlannedLayer,
  options: WriteImageOptions,
  signal: AbortSignal,
): Promise<Layer> {
  for (const each of [root, ...options.additional]) {
    for (const record of (await each.records.layers(signal)).withDiff(diffId)) {
      if (each.places.hasTarSplit(record.id)) return openLayerRecord(each, record);
    }
  }
  const layer = await image.openLayer(index, { signal });
  if (equalDigests(layer.diffId, diffId)) return layer;
  throw containersStorageErrors.error(
    "layer-digest-mismatch",
    `layer ${index} of the image is ${printDigest(layer.diffId)}, its configuration says ${printDigest(diffId)}`,
    { context: { digest: printDigest(diffId) } },
  );
}

async function commitImage(
  root: StoreRoot,
  image: Image,
  facts: Facts,
  top: string | undefined,
  options: WriteImageOptions,
  elsewhere: ReadonlyMap<string, number>,
): Promise<boolean> {
  const id = facts.manifest.config.digest.hex;
  return await root.records.change(["layers", "images"], options.signal, async (change) => {
    if (top !== undefined && change.layers.get(top) === undefined && !elsewhere.has(top)) {
      throw containersStorageErrors.error("layer-not-found", `layer ${top} was removed meanwhile`, {
        context: { layer: top },
      });
    }
    const existing = change.images.get(id);
    if (existing !== undefined && existing.layer !== top) {
      throw containersStorageErrors.error("image-id-taken", "that ID is already in use", {
        context: { image: id },
      });
    }
    const { digest } = image.manifest;
    const { index, signatures = [] } = options;
    let record = existing ?? newImage(id, index?.digest ?? digest, top, facts.config.created);
    const items: readonly (readonly [key: string, bytes: Uint8Array])[] = [
      [printDigest(image.config.digest), image.config.bytes],
      ...(index === undefined ? [] : [[`manifest-${printDigest(index.digest)}`, index.bytes] as const]),
      [`manifest-${printDigest(digest)}`, image.manifest.bytes],
      ["manifest", image.manifest.bytes],
      ...[SIGNATURES, signatureKey(digest)]
        .filter(() => signatures.length > 0)
        .map((key) => [key, concatBytes(signatures)] as const),
    ];
    const metadata =
      signatures.length === 0
        ? (existing?.metadata ?? "{}")
        : withSignatureSizes(existing?.metadata, digest, signatures);
    const before = items.map(([key]) =>
      existing?.bigDataNames.includes(key) === true ? readBigData(root.places, "images", id, key) : undefined,
    );
    try {
      for (const [key, bytes] of items) {
        writeBigData(root.places, "images", id, key, bytes);
        record = withBigData(record, key, bytes);
      }
      crashPoint("containers-storage/write-image/after-big-data");
      const names = uniqueNames([...(options.names ?? []), ...record.names]);
      const namesHistory =
        options.names === undefined ? record.namesHistory : nextHistory(record.namesHistory, names);
      record = { ...record, names, namesHistory, metadata };
      change.saveImages(withRecord(change.images.records, record));
    } catch (error) {
      await undo(error, () => {
        if (existing === undefined) root.places.dir("images").removeAll(utf8(id));
        else for (const [at, [key]] of items.entries()) putBack(root, id, key, before[at]);
      });
    }
    crashPoint("containers-storage/write-image/after-record");
    return existing === undefined;
  });
}

/** An item as it was before an image was to be written again; `undefined` if it was not there. */
function putBack({ places }: StoreRoot, id: string, key: string, bytes: Uint8Array | undefined): void {
  if (bytes !== undefined) return writeBigData(places, "images", id, key, bytes);
  places.dir("images").removeOptional(utf8(`${id}/${bigDataFileName(key)}`));
}

function newImage(
  id: string,
  digest: Digest,
  layer: string | undefined,
  created: string | undefined,
): ImageRecord {
  return {
    id,
    digest,
    names: [],
    namesHistory: [],
    ...defined({ layer }),
    mappedLayers: [],
    bigDataNames: [],
    bigDataSizes: new Map(),
    bigDataDigests: new Map(),
    created: created !== undefined && RFC3339.test(created) ? created : timeNow(),
    flags: {},
    unknown: {},
  };
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function blobOf({ layers }: Manifest, index: number): LayerBlob | undefined {
  const blob = layers[index];
  const compression = blob === undefined ? undefined : layerCompression(blob.mediaType);
  return blob === undefined || compression === undefined
    ? undefined
    : { digest: blob.digest, size: blob.size, compression };
}

function invalid(problem: string): Error {
  return containersStorageErrors.error("image-invalid", problem);
}
