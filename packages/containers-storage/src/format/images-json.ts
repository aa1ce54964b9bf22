import { type Digest, equalDigests, printDigest } from "@bootc-store/core";

import { type Json, printJson } from "./json-text.ts";
import { defined } from "./layers-json.ts";
import { omitEmpty, parseRecords, type RecordReader, sortedObject } from "./record.ts";

/** What a record says of the files beside the index: the names in order, their sizes and digests. */
export interface BigData {
  readonly bigDataNames: readonly string[];
  readonly bigDataSizes: ReadonlyMap<string, number>;
  readonly bigDataDigests: ReadonlyMap<string, Digest>;
}

/** A record of `images.json`. */
export interface ImageRecord extends BigData {
  readonly id: string;
  /** One manifest's digest, not necessarily that of the item `manifest`. */
  readonly digest?: Digest;
  readonly names: readonly string[];
  /** Newest first. */
  readonly namesHistory: readonly string[];
  /** The top layer; an image without layers has none. */
  readonly layer?: string;
  /** Top layers of the same content with other id mappings. */
  readonly mappedLayers: readonly string[];
  /** JSON text of the programs that made the image. */
  readonly metadata?: string;
  readonly created: string;
  readonly flags: { readonly [key: string]: Json };
  readonly unknown: { readonly [key: string]: Json };
}

export function parseImages(text: string, file = "images.json"): ImageRecord[] {
  return parseRecords(file, text, decodeImage);
}

export function printImages(records: readonly ImageRecord[]): string {
  return printJson(records.map(encodeImage));
}

/** Every digest by which an image is known: its own, and those of its items that are manifests. */
export function digestsOf(record: ImageRecord): Digest[] {
  const all: Digest[] = record.digest === undefined ? [] : [record.digest];
  for (const name of record.bigDataNames) {
    const digest = name.startsWith("manifest") ? record.bigDataDigests.get(name) : undefined;
    if (digest !== undefined && !all.some((each) => equalDigests(each, digest))) all.push(digest);
  }
  return all;
}

export function decodeBigData(reader: RecordReader): BigData {
  return {
    bigDataNames: reader.texts("big-data-names"),
    bigDataSizes: reader.numbersByKey("big-data-sizes"),
    bigDataDigests: reader.digestsByKey("big-data-digests"),
  };
}

export function encodeBigData(record: BigData): { [key: string]: Json } {
  return omitEmpty({
    "big-data-names": record.bigDataNames,
    "big-data-sizes": sortedObject(record.bigDataSizes, (size) => size),
    "big-data-digests": sortedObject(record.bigDataDigests, printDigest),
  });
}

function decodeImage(reader: RecordReader): ImageRecord {
  const optional = {
    digest: reader.optionalDigest("digest"),
    layer: reader.optionalId("layer"),
    metadata: reader.optionalText("metadata"),
  };
  return {
    id: reader.id("id"),
    names: reader.texts("names"),
    namesHistory: reader.texts("names-history"),
    ...defined(optional),
    mappedLayers: reader.texts("mapped-layers"),
    ...decodeBigData(reader),
    created: reader.time("created"),
    flags: reader.object("flags"),
    unknown: reader.rest(),
  };
}

export function encodeImage(record: ImageRecord): Json {
  return {
    id: record.id,
    ...omitEmpty({
      digest: record.digest === undefined ? undefined : printDigest(record.digest),
      names: record.names,
      "names-history": record.namesHistory,
      layer: record.layer,
      "mapped-layers": record.mappedLayers,
      metadata: record.metadata,
    }),
    ...encodeBigData(record),
    created: record.created,
    ...omitEmpty({ flags: record.flags }),
    ...record.unknown,
  };
}
