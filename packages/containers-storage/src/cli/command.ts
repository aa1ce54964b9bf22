import type { DropInContext } from "@bootc-store/backend/command";
import { isStoreError } from "@bootc-store/core";

import type { ContainerRecord } from "../format/containers-json.ts";
import type { ImageRecord } from "../format/images-json.ts";
import type { LayerRecord } from "../format/layers-json.ts";
import type { ContainersStorage } from "../store.ts";
import { findRecord } from "../tables.ts";
import type { Flag, Flags } from "./arguments.ts";

/** What a command works with. */
export interface Call {
  readonly store: ContainersStorage;
  readonly context: DropInContext;
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly paths: { readonly graphRoot: string; readonly runRoot: string };
  out(text: string): Promise<void>;
  err(text: string): Promise<void>;
}

export interface Command {
  readonly names: readonly string[];
  readonly summary: string;
  /** Of the arguments, for the usage. */
  readonly usage: string;
  readonly least: number;
  readonly most: number;
  readonly flags: readonly Flag[];
  /** Gives the exit code. */
  run(call: Call): Promise<number>;
}

export const JSON_FLAG: Flag = { names: ["json", "j"] };
export const QUIET: Flag = { names: ["quiet", "q"] };
export const NAMES: Flag = { names: ["name", "n"], takes: "value" };
export const ID: Flag = { names: ["id", "i"], takes: "value" };
export const FILE: Flag = { names: ["file", "f"], takes: "value" };

export const ANY = Number.POSITIVE_INFINITY;

/** Texts that the program has for what a store refuses; everything else in our own words. */
export function messageOf(error: unknown): string {
  if (isStoreError(error, "containers-storage/layer-not-found")) return "layer not known";
  if (isStoreError(error, "containers-storage/image-not-found")) return "image not known";
  return error instanceof Error ? error.message : String(error);
}

/** Lookups as the storage library has them, by names as they are. */
export async function findImage({ store }: Call, reference: string): Promise<ImageRecord | undefined> {
  return findRecord(await store.images(), reference);
}

export async function findLayer({ store }: Call, reference: string): Promise<LayerRecord | undefined> {
  return findRecord(await store.layers(), reference);
}

export async function findContainer(
  { store }: Call,
  reference: string,
): Promise<ContainerRecord | undefined> {
  const containers = await store.containers();
  return findRecord(containers, reference) ?? containers.find(({ layer }) => layer === reference);
}

/** A command whose arguments are done one by one, with an error each. */
export async function forEachArgument(
  call: Call,
  /** Gives what JSON says of it. */
  work: (argument: string) => Promise<object | string>,
): Promise<number> {
  const results: { [key: string]: unknown } = {};
  let failed = false;
  for (const argument of call.args) {
    try {
      results[argument] = await work(argument);
    } catch (error) {
      if (call.context.signal.aborted) throw error;
      failed = true;
      results[argument] = messageOf(error);
      if (!call.flags.is("json")) await call.err(`${argument}: ${messageOf(error)}\n`);
    }
  }
  if (call.flags.is("json")) await call.out(`${jsonMap(results)}\n`);
  return failed ? 1 : 0;
}

/** An object with its keys sorted, as Go writes maps. */
export function jsonMap(values: { readonly [key: string]: unknown }): string {
  return JSON.stringify(Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** A list of records as the program prints it: one line of JSON. */
export async function printRecords(call: Call, records: readonly string[], empty = "[]"): Promise<void> {
  await call.out(`${records.length === 0 ? empty : `[${records.join(",")}]`}\n`);
}
