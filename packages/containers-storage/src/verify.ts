// A check of the store. `structure`: records and directories; `references`: what refers to what, and sizes of items;
// `content`: digests of items, and every layer's tar made again and compared with its diff id.

import { createHash } from "node:crypto";

import type { VerifyDepth } from "@bootc-store/backend";
import {
  type Finding,
  isStoreError,
  printDigest,
  type Repair,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { segmentBytes } from "@bootc-store/oci";

import { readBigData } from "./big-data.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import type { BigData } from "./format/images-json.ts";
import { isIncomplete, type LayerRecord } from "./format/layers-json.ts";
import { findGarbage } from "./gc.ts";
import { readLink, readLower } from "./overlay/layer-dir.ts";
import type { Part } from "./places.ts";
import { openLayerRecord, type StoreRoot } from "./ports/layer-source.ts";
import { ImageTable, LayerTable } from "./tables.ts";

export interface VerifyStoreOptions {
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
  for (const record of layers) {
    throwIfAborted(signal);
    yield* verifyLayerDir(root, record);
  }
  for (const { kind, id } of findGarbage(root, { layers, images, containers }, [])) {
    if (kind === "layer" && layers.get(id)?.flags["incomplete"] === true) continue;
    const code =
      kind === "layer" ? "layer-unreferenced" : kind === "staging" ? "staging-abandoned" : "leftover-found";
    const what = kind === "layer" ? "no image and no container stands on it" : "no record knows it";
    yield finding(code, "warning", kind, id, `${kind} ${id}: ${what}`, "remove");
  }
  if (depth === "structure") return;
  yield* verifyReferences(root, loaded, options);
  if (depth === "references") return;
  for (const image of images) yield* verifyDigests(root, "images", "image", image);
  for (const container of containers) yield* verifyDigests(root, "containers", "container", container);
  for (const record of layers) yield* verifyTar(root, record, signal);
}

interface Loaded {
  readonly layers: LayerTable;
  readonly images: ImageTable;
  readonly containers: readonly ContainerRecord[];
  readonly findings: Finding[];
}

/** The indexes; one that cannot be read is a finding, and nothing more can be said. */
async function load({ records }: StoreRoot, signal: AbortSignal | undefined): Promise<Loaded> {
  const findings: Finding[] = [];
  const attempt = async <T>(index: string, read: () => Promise<T>, instead: T): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if (!isStoreError(error, "containers-storage/json-invalid", "containers-storage/record-invalid"))
        throw error;
      findings.push(finding("index-invalid", "error", "index", index, error.message, "none"));
      return instead;
    }
  };
  return {
    images: await attempt("images.json", () => records.images(signal), new ImageTable([])),
    containers: await attempt("containers.json", () => records.containers(signal), []),
    layers: await attempt("layers.json", () => records.layers(signal), new LayerTable([], [])),
    findings,
  };
}

function* verifyLayerDir({ places }: StoreRoot, record: LayerRecord): Generator<Finding> {
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

function* verifyReferences(
  root: StoreRoot,
  { layers, images, containers }: Loaded,
  { hasLayer }: VerifyStoreOptions,
): Generator<Finding> {
  const isThere = (id: string): boolean => layers.get(id) !== undefined || hasLayer(id);
  for (const { id, parent } of layers) {
    if (parent === undefined || isThere(parent)) continue;
    yield finding(
      "layer-parent-missing",
      "error",
      "layer",
      id,
      `layer ${id}: its parent ${parent} is missing`,
      "refetch",
    );
  }
  for (const image of images) {
    const { id, layer } = image;
    if (layer !== undefined && !isThere(layer)) {
      yield finding(
        "image-layer-missing",
        "error",
        "image",
        id,
        `image ${id}: its layer ${layer} is missing`,
        "refetch",
      );
    }
    yield* verifyItems(root, "images", "image", image);
  }
  for (const container of containers) {
    const { id, layer, image } = container;
    if (!isThere(layer)) {
      yield finding(
        "container-layer-missing",
        "error",
        "container",
        id,
        `container ${id}: its layer is missing`,
        "remove",
      );
    }
    if (image !== "" && images.get(image) === undefined) {
      yield finding(
        "container-image-missing",
        "warning",
        "container",
        id,
        `container ${id}: image ${image} is not here`,
        "none",
      );
    }
    yield* verifyItems(root, "containers", "container", container);
  }
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

function* verifyDigests({ places }: StoreRoot, part: Part, kind: string, record: Item): Generator<Finding> {
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
  record: LayerRecord,
  signal: AbortSignal | undefined,
): AsyncGenerator<Finding> {
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
    if (actual === diffDigest.hex && (layer.size ?? size) === size) return;
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
