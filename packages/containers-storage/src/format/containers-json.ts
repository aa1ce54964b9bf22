import { type BigData, decodeBigData, encodeBigData } from "./images-json.ts";
import { type Json, printJson } from "./json-text.ts";
import { defined } from "./layers-json.ts";
import { type IdMapping, omitEmpty, parseRecords, printMappings, type RecordReader } from "./record.ts";

/** A record of `containers.json` or `volatile-containers.json`. */
export interface ContainerRecord extends BigData {
  readonly id: string;
  readonly names: readonly string[];
  /** The image's id, or empty. */
  readonly image: string;
  /** The container's own writable layer. */
  readonly layer: string;
  readonly metadata?: string;
  readonly created: string;
  readonly uidmap: readonly IdMapping[];
  readonly gidmap: readonly IdMapping[];
  readonly flags: { readonly [key: string]: Json };
  readonly unknown: { readonly [key: string]: Json };
}

export function parseContainers(text: string, file = "containers.json"): ContainerRecord[] {
  return parseRecords(file, text, decodeContainer);
}

export function printContainers(records: readonly ContainerRecord[]): string {
  return printJson(records.map(encodeContainer));
}

function decodeContainer(reader: RecordReader): ContainerRecord {
  return {
    id: reader.id("id"),
    names: reader.texts("names"),
    image: reader.text("image"),
    layer: reader.text("layer"),
    ...defined({ metadata: reader.optionalText("metadata") }),
    ...decodeBigData(reader),
    created: reader.time("created"),
    uidmap: reader.idMappings("uidmap"),
    gidmap: reader.idMappings("gidmap"),
    flags: reader.object("flags"),
    unknown: reader.rest(),
  };
}

export function encodeContainer(record: ContainerRecord): Json {
  return {
    id: record.id,
    ...omitEmpty({ names: record.names }),
    image: record.image,
    layer: record.layer,
    ...omitEmpty({ metadata: record.metadata }),
    ...encodeBigData(record),
    created: record.created,
    ...omitEmpty({ uidmap: printMappings(record.uidmap), gidmap: printMappings(record.gidmap) }),
    ...omitEmpty({ flags: record.flags }),
    ...record.unknown,
  };
}
