import { createHash, type Hash, hash } from "node:crypto";
import type { DigestAlgorithm } from "@bootc-store/core";
import { computeVerity, VerityHasher } from "./verity/compute.ts";
import type { VerityParams } from "./verity/params.ts";

/** A plain hash, over `prefix` first where there is one (an ostree content object's header), or an fs-verity digest. */
export type HashSpec =
  | { readonly algorithm: DigestAlgorithm; readonly prefix?: Uint8Array }
  | { readonly verity: VerityParams };

/** What is to be computed, under names of the caller's own. */
export type HashSpecs = { readonly [key: string]: HashSpec };

/** Lower-case hexadecimal under the names that were asked for. */
export type HashResults<S extends HashSpecs = HashSpecs> = { readonly [K in keyof S]: string };

/** Several digests in one pass over the bytes. */
export class Hasher<S extends HashSpecs> {
  readonly #plain: (readonly [key: string, Hash])[] = [];
  readonly #verity: (readonly [key: string, VerityHasher])[] = [];
  readonly #keys: readonly string[];
  #size = 0;

  constructor(specs: S) {
    this.#keys = Object.keys(specs);
    for (const [key, spec] of Object.entries<HashSpec>(specs)) {
      if ("verity" in spec) {
        this.#verity.push([key, new VerityHasher(spec.verity)]);
        continue;
      }
      const state = createHash(spec.algorithm);
      if (spec.prefix !== undefined) state.update(spec.prefix);
      this.#plain.push([key, state]);
    }
  }

  /** Bytes taken so far, prefixes not counted. */
  get size(): number {
    return this.#size;
  }

  update(data: Uint8Array): void {
    this.#size += data.length;
    for (const [, state] of this.#plain) state.update(data);
    for (const [, state] of this.#verity) state.update(data);
  }

  /** The digests. The hasher cannot be used afterwards. */
  finish(): HashResults<S> {
    const found: { [key: string]: string } = {};
    for (const [key, state] of this.#plain) found[key] = state.digest("hex");
    for (const [key, state] of this.#verity) found[key] = state.finish().toString("hex");
    return Object.fromEntries(this.#keys.map((key) => [key, found[key]])) as HashResults<S>;
  }
}

/** The digests of bytes in hand; for small ones faster than a {@link Hasher}. */
export function hashBytes<S extends HashSpecs>(data: Uint8Array, specs: S): HashResults<S> {
  const found: { [key: string]: string } = {};
  for (const [key, spec] of Object.entries<HashSpec>(specs)) found[key] = hashOne(data, spec);
  return found as HashResults<S>;
}

function hashOne(data: Uint8Array, spec: HashSpec): string {
  if ("verity" in spec) return computeVerity(data, spec.verity).toString("hex");
  if (spec.prefix === undefined) return hash(spec.algorithm, data, "hex");
  return createHash(spec.algorithm).update(spec.prefix).update(data).digest("hex");
}
