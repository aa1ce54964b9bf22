// Typed looks into a parsed document. Null counts as absent, as in Go. Errors name the path of the field.

import { ociErrors } from "../errors.ts";
import type { JsonObject, JsonValue } from "./parse.ts";

/** Throws the error for a field; what decoders of other documents replace by their own code. */
export type Refuse = (problem: string) => Error;

export const refuseDocument: Refuse = (problem) => ociErrors.error("document-invalid", problem);

/** A look at one object of a document. */
export class Fields {
  readonly object: JsonObject;
  readonly #path: string;
  readonly #refuse: Refuse;

  private constructor(object: JsonObject, path: string, refuse: Refuse) {
    this.object = object;
    this.#path = path;
    this.#refuse = refuse;
  }

  /** @param path names the object in messages: "manifest". */
  static of(value: JsonValue | undefined, path: string, refuse: Refuse = refuseDocument): Fields {
    if (!isObject(value)) throw refuse(`${path}: not an object`);
    return new Fields(value, path, refuse);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  get(key: string): JsonValue | undefined {
    return Object.hasOwn(this.object, key) ? (this.object[key] ?? undefined) : undefined;
  }

  keys(): string[] {
    return Object.keys(this.object);
  }

  /** Throws unless every key is one of these: for documents where an unknown key must not be passed over. */
  only(...keys: readonly string[]): this {
    for (const key of this.keys())
      if (!keys.includes(key)) throw this.invalid(key, "this field is not known");
    return this;
  }

  string(key: string): string {
    return this.stringOptional(key) ?? this.#missing(key);
  }

  stringOptional(key: string): string | undefined {
    const value = this.get(key);
    if (value !== undefined && typeof value !== "string") throw this.invalid(key, "not a text");
    return value;
  }

  /** A safe integer, not negative. */
  size(key: string): number {
    return this.sizeOptional(key) ?? this.#missing(key);
  }

  sizeOptional(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw this.invalid(key, "not a number that a size can be");
    }
    return value as number;
  }

  booleanOptional(key: string): boolean | undefined {
    const value = this.get(key);
    if (value !== undefined && typeof value !== "boolean") throw this.invalid(key, "neither true nor false");
    return value;
  }

  array(key: string): readonly JsonValue[] {
    return this.arrayOptional(key) ?? this.#missing(key);
  }

  arrayOptional(key: string): readonly JsonValue[] | undefined {
    const value = this.get(key);
    if (value !== undefined && !Array.isArray(value)) throw this.invalid(key, "not an array");
    return value as readonly JsonValue[] | undefined;
  }

  fields(key: string): Fields {
    return this.fieldsOptional(key) ?? this.#missing(key);
  }

  fieldsOptional(key: string): Fields | undefined {
    const value = this.get(key);
    return value === undefined ? undefined : Fields.of(value, this.at(key), this.#refuse);
  }

  fieldsOf(key: string): Fields[] {
    return this.array(key).map((value, at) => Fields.of(value, `${this.at(key)}[${at}]`, this.#refuse));
  }

  strings(key: string): string[] {
    return (this.arrayOptional(key) ?? []).map((value, at) => {
      if (typeof value !== "string") throw this.#refuse(`${this.at(key)}[${at}]: not a text`);
      return value;
    });
  }

  /** An object whose values are all texts; a null value counts as an empty text, as in Go. */
  stringMap(key: string): Readonly<Record<string, string>> | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.invalid(key, "not an object");
    const map = Object.create(null) as Record<string, string>;
    for (const [name, each] of Object.entries(value)) {
      if (each !== null && typeof each !== "string") throw this.invalid(`${key}.${name}`, "not a text");
      map[name] = each ?? "";
    }
    return map;
  }

  at(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }

  invalid(key: string, problem: string): Error {
    return this.#refuse(`${this.at(key)}: ${problem}`);
  }

  #missing(key: string): never {
    throw this.invalid(key, "missing");
  }
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
