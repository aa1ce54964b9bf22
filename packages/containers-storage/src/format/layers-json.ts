import { type Digest, printDigest } from "@bootc-store/core";

import { type Json, printJson } from "./json-text.ts";
import { type IdMapping, omitEmpty, parseRecords, printMappings, type RecordReader } from "./record.ts";

/** How a layer's blob was compressed, by the numbers that layers.json has. */
export const COMPRESSIONS = { none: 0, bzip2: 1, gzip: 2, xz: 3, zstd: 4 } as const;

export type Compression = keyof typeof COMPRESSIONS;

/** A record of `layers.json` or `volatile-layers.json`. */
export interface LayerRecord {
  readonly id: string;
  readonly names: readonly string[];
  readonly parent?: string;
  readonly metadata?: string;
  readonly mountLabel?: string;
  /** RFC 3339, up to nanoseconds. */
  readonly created: string;
  /** Digest and bytes of the blob as it was applied; equal to the diff's own if it was not compressed. */
  readonly compressedDiffDigest?: Digest;
  readonly compressedSize?: number;
  /** The diff id. Absent for layers of containers and for those that are known by a table of contents only. */
  readonly diffDigest?: Digest;
  readonly tocDigest?: Digest;
  /** Bytes of the uncompressed tar; -1 if that is not known. */
  readonly diffSize?: number;
  /** See {@link COMPRESSIONS}. */
  readonly compression?: number;
  readonly uidset: readonly number[];
  readonly gidset: readonly number[];
  /** `incomplete`: being made or removed. Others are kept. */
  readonly flags: { readonly [key: string]: Json };
  readonly uidmap: readonly IdMapping[];
  readonly gidmap: readonly IdMapping[];
  readonly bigDataNames: readonly string[];
  /** Fields that this package does not know. */
  readonly unknown: { readonly [key: string]: Json };
}

/** @param file for messages. */
export function parseLayers(text: string, file = "layers.json"): LayerRecord[] {
  return parseRecords(file, text, decodeLayer);
}

export function printLayers(records: readonly LayerRecord[]): string {
  return printJson(records.map(encodeLayer));
}

export function isIncomplete(record: LayerRecord): boolean {
  return record.flags["incomplete"] === true;
}

function decodeLayer(reader: RecordReader): LayerRecord {
  const optional = {
    parent: reader.optionalId("parent"),
    metadata: reader.optionalText("metadata"),
    mountLabel: reader.optionalText("mountlabel"),
    compressedDiffDigest: reader.optionalDigest("compressed-diff-digest"),
    compressedSize: reader.optionalInteger("compressed-size", -1),
    diffDigest: reader.optionalDigest("diff-digest"),
    tocDigest: reader.optionalDigest("toc-digest"),
    diffSize: reader.optionalInteger("diff-size", -1),
    compression: reader.optionalInteger("compression"),
  };
  return {
    id: reader.id("id"),
    names: reader.texts("names"),
    created: reader.time("created"),
    ...defined(optional),
    uidset: reader.integers("uidset"),
    gidset: reader.integers("gidset"),
    flags: reader.object("flags"),
    uidmap: reader.idMappings("uidmap"),
    gidmap: reader.idMappings("gidmap"),
    bigDataNames: reader.texts("big-data-names"),
    unknown: reader.rest(),
  };
}

export function encodeLayer(record: LayerRecord): Json {
  const digest = (value: Digest | undefined): string | undefined =>
    value === undefined ? undefined : printDigest(value);
  return {
    id: record.id,
    ...omitEmpty({
      names: record.names,
      parent: record.parent,
      metadata: record.metadata,
      mountlabel: record.mountLabel,
    }),
    created: record.created,
    ...omitEmpty({
      "compressed-diff-digest": digest(record.compressedDiffDigest),
      "compressed-size": record.compressedSize,
      "diff-digest": digest(record.diffDigest),
      "toc-digest": digest(record.tocDigest),
      "diff-size": record.diffSize,
      compression: record.compression,
      uidset: record.uidset,
      gidset: record.gidset,
      flags: record.flags,
      uidmap: printMappings(record.uidmap),
      gidmap: printMappings(record.gidmap),
      "big-data-names": record.bigDataNames,
    }),
    ...record.unknown,
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
