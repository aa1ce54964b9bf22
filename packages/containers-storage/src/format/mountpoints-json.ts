import { type Json, printJson } from "./json-text.ts";
import { parseRecords } from "./record.ts";

/** A record of `mountpoints.json` in the run root: a layer that is mounted, where, and how often. */
export interface MountpointRecord {
  readonly id: string;
  readonly path: string;
  readonly count: number;
  readonly unknown: { readonly [key: string]: Json };
}

export function parseMountpoints(text: string, file = "mountpoints.json"): MountpointRecord[] {
  return parseRecords(file, text, (reader) => ({
    id: reader.id("id"),
    path: reader.text("path"),
    count: reader.optionalInteger("count") ?? 0,
    unknown: reader.rest(),
  }));
}

export function printMountpoints(records: readonly MountpointRecord[]): string {
  return printJson(records.map(({ id, path, count, unknown }) => ({ id, path, count, ...unknown })));
}
