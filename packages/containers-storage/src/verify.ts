// A check of the store. `structure`: records and directories; `references`: what refers to what, and sizes of items;
// `content`: digests of items, and every layer's tar made again and compared with its diff id.

import { createHash } from "node:crypto";

import type { VerifyDepth } from "@bootc-store/backend";
import {
  type Finding,
  isStoreError,
  printDigest,
  type Repair,
  type StoreError,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { segmentBytes } from "@bootc-store/oci";

import { readBigData } from "./big-data.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import type { BigData, ImageRecord } from "./format/images-json.ts";
import { isIncomplete, type LayerRecord } from "./format/layers-json.ts";
import { findGarbage, type GarbageOptions } from "./gc.ts";
import { readLink, readLower } from "./overlay/layer-dir.ts";
import type { Part } from "./places.ts";
import { compareMetadata } from "./verify-metadata.ts";
import { openLayerRecord, type StoreRoot } from "./ports/layer-source.ts";
import type { Snapshot } from "./records.ts";
import { ImageTable, LayerTable, NO_SHELVES } from "./tables.ts";

export interface VerifyStoreOptions extends GarbageOptions {
  readonly depth: VerifyDepth;
  readonly signal?: AbortSignal;
  /** Whether a layer that is not in this store is in an additional one. */
  readonly hasLayer: (id: string) => boolean;
}

export async function* verifyStore(root: StoreRoot, options: VerifyStoreOptions): AsyncGenerator<Finding> {
  const { signal, depth } = options;
  throwIfAborted(signal);
  const loaded = await load(root, signal);
  yield* loaded.findings;
  const { layers, images, containers } = loaded;
  for (const { id } of layers) {
    throwIfAborted(signal);
    yield* confirmed(root, loaded, signal, (now) => verifyLayerDir(root, now.layers.get(id)));
  }
  for (const { kind, id } of findGarbage(root, { layers, images, containers }, [], options)) {
    if (kind === "layer" && layers.get(id)?.flags["incomplete"] === true) continue;
    const code =
      kind === "layer" ? "layer-unreferenced" : kind === "staging" ? "staging-abandoned" : "leftover-found";
    const what = kind === "layer" ? "no image and no container stands on it" : "no record knows it";
    yield finding(code, "warning", kind, id, `${kind} ${id}: ${what}`, "remove");
  }
  if (depth === "structure") return;
  yield* confirmed(root, loaded, signal, (now) => verifyParents(now, options));
  for (const { id } of images)
    yield* confirmed(root, loaded, signal, (now) => verifyImage(root, now.images.get(id), now, options));
  for (const { id } of containers) {
    yield* confirmed(root, loaded, signal, (now) =>
      verifyContainer(
        root,
        now.containers.find((each) => each.id === id),
        now,
        options,
      ),
    );
  }
  if (depth === "references") return;
  for (const { id } of images)
    yield* confirmed(root, loaded, signal, (now) =>
      verifyDigests(root, "images", "image", now.images.get(id)),
    );
  for (const { id } of containers) {
    yield* confirmed(root, loaded, signal, (now) =>
      verifyDigests(
        root,
        "containers",
        "container",
        now.containers.find((each) => each.id === id),
      ),
    );
  }
  for (const { id } of layers)
    yield* confirmed(root, loaded, signal, (now) => verifyTar(root, now.layers.get(id), signal));
}

/**
 * What a check finds. Others may remove and write again what is just being looked at, so an error counts only if it is found
 * once more by records that were read after it.
 */
async function* confirmed(
  { records }: StoreRoot,
  state: Snapshot,
  signal: AbortSignal | undefined,
  check: (state: Snapshot) => Iterable<Finding> | AsyncIterable<Finding>,
): AsyncGenerator<Finding> {
  let found = await collect(check(state));
  for (let again = 0; again < 2 && found.some(({ severity }) => severity === "error"); again++)
    found = await collect(check(await records.snapshot(signal)));
  yield* found;
}

async function collect(findings: Iterable<Finding> | AsyncIterable<Finding>): Promise<Finding[]> {
  const all: Finding[] = [];
  for await (const each of findings) all.push(each);
  return all;
}

type Loaded = Snapshot & { readonly findings: readonly Finding[] };

/** The indexes; one that cannot be read is a finding, and nothing more can be said. */
async function load({ records }: StoreRoot, signal: AbortSignal | undefined): Promise<Loaded> {
  try {
    return { ...(await records.snapshot(signal)), findings: [] };
  } catch (error) {
    if (!isBroken(error)) throw error;
  }
  const findings: Finding[] = [];
  const attempt = async <T>(index: string, read: () => Promise<T>, instead: T): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if (!isBroken(error)) throw error;
      findings.push(finding("index-invalid", "error", "index", index, error.message, "none"));
      return instead;
    }
  };
  return {
    images: await attempt("images.json", () => records.images(signal), new ImageTable([])),
    containers: await attempt("containers.json", () => records.containers(signal), []),
    layers: await attempt("layers.json", () => records.layers(signal), new LayerTable(NO_SHELVES)),
    findings,
  };
}

function isBroken(error: unknown): error is StoreError {
  return isStoreError(error, "containers-storage/json-invalid", "containers-storage/record-invalid");
}

function* verifyLayerDir({ places }: StoreRoot, record: LayerRecord | undefined): Generator<Finding> {
  if (record === undefined) return;
  const { id, parent } = record;
  const layer = (code: string, message: string, severity: "error" | "warning" = "error"): Finding =>
    finding(code, severity, "layer", id, `layer ${id}: ${message}`, "remove");
  if (isIncomplete(record)) {
    yield layer("layer-incomplete", "it was being made or removed when a program died", "warning");
    return;
  }
  const content = places.dirOptional("content");
  if (content?.statOptional(places.diffPath(id))?.type !== "directory") {
    yield layer("layer-directory-missing", "it has no directory");
    return;
  }
  if (places.driver !== "overlay") return;
  const link = readLink(content, id);
  if (link === undefined) yield layer("layer-link-missing", "it has no short link");
  else {
    using links = content.openDirOptional(utf8("l"));
    const target = links?.readLinkOptional(utf8(link));
    if (target !== `../${id}/diff`)
      yield layer("layer-link-invalid", `its short link leads to ${target ?? "nothing"}`);
  }
  if (parent === undefined) return;
  const lower = readLower(content, id);
  const parentLink = readLink(content, parent);
  if (lower.length === 0) yield layer("layer-lower-missing", "it has a parent and no lower layers");
  else if (parentLink !== undefined && lower[0] !== `l/${parentLink}`) {
    yield layer("layer-lower-invalid", "its nearest lower layer is not its parent");
  }
}

function* verifyParents({ layers }: Snapshot, { hasLayer }: VerifyStoreOptions): Generator<Finding> {
  for (const { id, parent } of layers) {
    if (parent === undefined || layers.get(parent) !== undefined || hasLayer(parent)) continue;
    const message = `layer ${id}: its parent ${parent} is missing`;
    yield finding("layer-parent-missing", "error", "layer", id, message, "refetch");
  }
}

function* verifyImage(
  root: StoreRoot,
  image: ImageRecord | undefined,
  { layers }: Snapshot,
  { hasLayer }: VerifyStoreOptions,
): Generator<Finding> {
  if (image === undefined) return;
  const { id, layer } = image;
  if (layer !== undefined && layers.get(layer) === undefined && !hasLayer(layer)) {
    const message = `image ${id}: its layer ${layer} is missing`;
    yield finding("image-layer-missing", "error", "image", id, message, "refetch");
  }
  yield* verifyItems(root, "images", "image", image);
}

function* verifyContainer(
  root: StoreRoot,
  container: ContainerRecord | undefined,
  { layers, images }: Snapshot,
  { hasLayer }: VerifyStoreOptions,
): Generator<Finding> {
  if (container === undefined) return;
  const { id, layer, image } = container;
  if (layers.get(layer) === undefined && !hasLayer(layer)) {
    const message = `container ${id}: its layer is missing`;
    yield finding("container-layer-missing", "error", "container", id, message, "remove");
  }
  if (image !== "" && images.get(image) === undefined) {
    const message = `container ${id}: image ${image} is not here`;
    yield finding("container-image-missing", "warning", "container", id, message, "none");
  }
  yield* verifyItems(root, "containers", "container", container);
}

type Item = BigData & { readonly id: string };

function* verifyItems({ places }: StoreRoot, part: Part, kind: string, record: Item): Generator<Finding> {
  for (const key of record.bigDataNames) {
    const message = `${kind} ${record.id}, item "${key}"`;
    try {
      const size = readBigData(places, part, record.id, key).length;
      const expected = record.bigDataSizes.get(key);
      if (expected === undefined || expected === size) continue;
      yield {
        ...finding("item-size-mismatch", "error", kind, record.id, `${message} has another size`, "refetch"),
        expected: String(expected),
        actual: String(size),
      };
    } catch (error) {
      if (!isStoreError(error, "containers-storage/big-data-missing")) throw error;
      yield finding("item-missing", "error", kind, record.id, `${message} is missing`, "refetch");
    }
  }
}

function* verifyDigests(
  { places }: StoreRoot,
  part: Part,
  kind: string,
  record: Item | undefined,
): Generator<Finding> {
  if (record === undefined) return;
  for (const key of record.bigDataNames) {
    const digest = record.bigDataDigests.get(key);
    if (digest === undefined) continue;
    let bytes: Buffer;
    try {
      bytes = readBigData(places, part, record.id, key);
    } catch (error) {
      // It was reported with what is missing.
      if (isStoreError(error, "containers-storage/big-data-missing")) continue;
      throw error;
    }
    // The digest of a manifest of the first schema is over a part of it.
    const actual = createHash(digest.algorithm).update(bytes).digest("hex");
    if (actual === digest.hex || isFirstSchema(key, bytes)) continue;
    yield {
      ...finding(
        "item-digest-mismatch",
        "error",
        kind,
        record.id,
        `${kind} ${record.id}, item "${key}" was changed`,
        "refetch",
      ),
      expected: printDigest(digest),
      actual: `${digest.algorithm}:${actual}`,
    };
  }
}

function isFirstSchema(key: string, bytes: Buffer): boolean {
  return key.startsWith("manifest") && /"schemaVersion"\s*:\s*1\b/.test(bytes.toString("latin1"));
}

async function* verifyTar(
  root: StoreRoot,
  record: LayerRecord | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Finding> {
  if (record === undefined) return;
  const { id, diffDigest } = record;
  if (diffDigest === undefined || isIncomplete(record)) return;
  try {
    const layer = openLayerRecord(root, record);
    const hash = createHash(diffDigest.algorithm);
    let size = 0;
    for await (const bytes of segmentBytes(layer.segments(signal === undefined ? {} : { signal }))) {
      throwIfAborted(signal);
      hash.update(bytes);
      size += bytes.length;
    }
    const actual = hash.digest("hex");
    if (actual === diffDigest.hex && (layer.size ?? size) === size) {
      yield* verifyMetadata(root, record, signal);
      return;
    }
    const error = containersStorageErrors.error(
      "layer-digest-mismatch",
      `layer ${id}: its tar is another one`,
    );
    yield {
      ...finding("layer-digest-mismatch", "error", "layer", id, error.message, "refetch"),
      expected: printDigest(diffDigest),
      actual: `${diffDigest.algorithm}:${actual}`,
    };
  } catch (error) {
    const known = isStoreError(
      error,
      "containers-storage/layer-content-mismatch",
      "containers-storage/tar-split-invalid",
      "containers-storage/layer-tar-unavailable",
      "linux/not-found",
    );
    if (!known) throw error;
    const unavailable = error.code === "containers-storage/layer-tar-unavailable";
    const code = unavailable ? "layer-tar-unavailable" : "layer-content-mismatch";
    yield finding(
      code,
      unavailable ? "note" : "error",
      "layer",
      id,
      `layer ${id}: ${error.message}`,
      unavailable ? "none" : "refetch",
    );
  }
}

async function* verifyMetadata(
  root: StoreRoot,
  record: LayerRecord,
  signal: AbortSignal | undefined,
): AsyncGenerator<Finding> {
  const { differences, more } = await compareMetadata(root, record, signal);
  if (differences.length === 0) return;
  const rest = more === 0 ? "" : `, and ${more} more`;
  const message = `layer ${record.id}: ${differences.join(", ")}${rest}`;
  yield finding("layer-content-mismatch", "error", "layer", record.id, message, "refetch");
}

function finding(
  code: string,
  severity: Finding["severity"],
  kind: string,
  id: string,
  message: string,
  repair: Repair,
): Finding {
  return {
    code: `containers-storage/${code}`,
    severity,
    subject: { backend: "containers-storage", kind, id },
    message,
    repair,
  };
}
