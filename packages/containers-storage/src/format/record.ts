import { type Digest, parseDigest } from "@bootc-store/core";

import { containersStorageErrors } from "../errors.ts";
import type { Json } from "./json-text.ts";

/** A mapping of user or group ids, as layers and containers record it. */
export interface IdMapping {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

type JsonObject = { readonly [key: string]: Json };

/**
 * Reads the fields of one record of an index, each once; what was not read is {@link RecordReader.rest}, so that a
 * field that a newer version writes is kept. Throws `containers-storage/record-invalid` with file, record and field.
 */
export class RecordReader {
  readonly #file: string;
  readonly #at: number;
  readonly #fields: JsonObject;
  readonly #seen = new Set<string>();

  constructor(file: string, at: number, value: Json) {
    this.#file = file;
    this.#at = at;
    if (!isObject(value)) throw this.invalid("", "the record is not an object");
    this.#fields = value;
  }

  invalid(field: string, problem: string): Error {
    const place = `${this.#file} › record ${this.#at}${field === "" ? "" : ` › ${field}`}`;
    return containersStorageErrors.error("record-invalid", `${place}: ${problem}`, {
      context: { path: this.#file, record: this.#at, field },
    });
  }

  /** The field; `undefined` also for null, which Go writes for what is absent. */
  value(key: string): Json | undefined {
    this.#seen.add(key);
    return Object.hasOwn(this.#fields, key) ? (this.#fields[key] ?? undefined) : undefined;
  }

  optionalText(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || value === "") return undefined;
    if (typeof value !== "string") throw this.invalid(key, "not a string");
    return value;
  }

  text(key: string): string {
    return this.optionalText(key) ?? "";
  }

  /** An id, which is also the name of a directory. */
  id(key: string): string {
    const value = this.optionalId(key);
    if (value === undefined) throw this.invalid(key, "missing");
    return value;
  }

  optionalId(key: string): string | undefined {
    const value = this.optionalText(key);
    if (value !== undefined && !isId(value)) throw this.invalid(key, `not an id: "${value.slice(0, 100)}"`);
    return value;
  }

  texts(key: string): readonly string[] {
    const value = this.value(key);
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
      throw this.invalid(key, "not a list of strings");
    }
    return value;
  }

  optionalInteger(key: string, least = 0): number | undefined {
    const value = this.value(key);
    if (value === undefined || value === 0) return undefined;
    if (!isInteger(value, least)) throw this.invalid(key, `not an integer of at least ${least}`);
    return value;
  }

  integers(key: string): readonly number[] {
    const value = this.value(key);
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((each) => isInteger(each, 0))) {
      throw this.invalid(key, "not a list of ids");
    }
    return value;
  }

  optionalDigest(key: string): Digest | undefined {
    const value = this.optionalText(key);
    return value === undefined ? undefined : this.#digest(key, value);
  }

  /** A time in RFC 3339, kept as it is. */
  time(key: string): string {
    const value = this.optionalText(key);
    if (value === undefined) return ZERO_TIME;
    if (!RFC3339.test(value)) throw this.invalid(key, `not a time: "${value.slice(0, 60)}"`);
    return value;
  }

  object(key: string): JsonObject {
    const value = this.value(key);
    if (value === undefined) return {};
    if (!isObject(value)) throw this.invalid(key, "not an object");
    return value;
  }

  numbersByKey(key: string): ReadonlyMap<string, number> {
    return this.#byKey(key, (each) => {
      if (!isInteger(each, 0)) throw this.invalid(key, "not sizes");
      return each;
    });
  }

  digestsByKey(key: string): ReadonlyMap<string, Digest> {
    return this.#byKey(key, (each) => {
      if (typeof each !== "string") throw this.invalid(key, "not digests");
      return this.#digest(key, each);
    });
  }

  idMappings(key: string): readonly IdMapping[] {
    const value = this.value(key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.invalid(key, "not a list");
    return (value as readonly Json[]).map((each) => {
      const { container_id: containerId, host_id: hostId, size } = isObject(each) ? each : {};
      if (!isInteger(containerId, 0) || !isInteger(hostId, 0) || !isInteger(size, 0)) {
        throw this.invalid(key, "not a list of mappings");
      }
      return { containerId, hostId, size };
    });
  }

  /** The fields that nobody asked for, in their order. */
  rest(): JsonObject {
    return Object.fromEntries(Object.entries(this.#fields).filter(([key]) => !this.#seen.has(key)));
  }

  #byKey<T>(key: string, convert: (value: Json) => T): ReadonlyMap<string, T> {
    return new Map(Object.entries(this.object(key)).map(([name, each]) => [name, convert(each)]));
  }

  #digest(key: string, value: string): Digest {
    try {
      return parseDigest(value);
    } catch (cause) {
      const error = this.invalid(key, `not a digest: "${value.slice(0, 160)}"`);
      error.cause = cause;
      throw error;
    }
  }
}

/** Go's zero time, which stands for "not known". */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

const RFC3339 = /^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** The time now as the real tools write it: UTC, trailing zeros of the fraction left out. */
export function timeNow(): string {
  return printTime(Date.now());
}

export function printTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.?0*Z$/, "Z");
}

/** The records of an index file's text; an empty file or `null` holds none. Throws `containers-storage/json-invalid`. */
export function parseRecords<T>(file: string, text: string, decode: (reader: RecordReader) => T): T[] {
  if (text === "") return [];
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw containersStorageErrors.error("json-invalid", `${file}: not JSON`, {
      context: { path: file },
      cause,
    });
  }
  if (value === null) return [];
  if (!Array.isArray(value)) {
    throw containersStorageErrors.error("json-invalid", `${file}: not a list`, { context: { path: file } });
  }
  return (value as readonly Json[]).map((each, at) => decode(new RecordReader(file, at, each)));
}

/** Leaves out what Go's `omitempty` leaves out: empty strings, zeros, empty lists, empty maps. */
export function omitEmpty(fields: { readonly [key: string]: Json | undefined }): { [key: string]: Json } {
  const kept: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined || value === "" || value === 0 || value === null || value === false) continue;
    if (
      Array.isArray(value) ? value.length === 0 : typeof value === "object" && Object.keys(value).length === 0
    )
      continue;
    kept[key] = value;
  }
  return kept;
}

export function printMappings(mappings: readonly IdMapping[]): Json {
  return mappings.map(({ containerId, hostId, size }) => ({
    container_id: containerId,
    host_id: hostId,
    size,
  }));
}

/** A map with its keys sorted, as Go writes maps. */
export function sortedObject<T>(
  map: ReadonlyMap<string, T>,
  print: (value: T) => Json,
): { [key: string]: Json } {
  const keys = [...map.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Object.fromEntries(keys.map((key) => [key, print(map.get(key) as T)]));
}

/** Whether it can be an id: one component of a path. The tools make 64 hexadecimal digits, and take what they are given. */
export function isId(text: string): boolean {
  return /^[^/\0]{1,255}$/.test(text) && text !== "." && text !== "..";
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInteger(value: Json | undefined, least: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least;
}
