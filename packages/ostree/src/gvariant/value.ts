// What values of a type are in TypeScript, worked out by the compiler from the type string.

/** A value with its type, as `v` holds it. */
export interface Variant {
  readonly type: string;
  /** Of the form that {@link ValueOf} gives for `type`. */
  readonly value: unknown;
}

/** What `mX` holds if it holds something. */
export interface Just<T> {
  readonly just: T;
}

interface Basics {
  y: number;
  b: boolean;
  n: number;
  q: number;
  i: number;
  u: number;
  h: number;
  x: bigint;
  t: bigint;
  d: number;
  s: string;
  o: string;
  g: string;
  v: Variant;
}

/** The type at the front of `S`, and what follows it. */
type Front<S extends string> = S extends `ay${infer Rest}`
  ? [Uint8Array, Rest]
  : S extends `a${infer Inner}`
    ? Front<Inner> extends [infer V, infer Rest extends string]
      ? [readonly V[], Rest]
      : never
    : S extends `m${infer Inner}`
      ? Front<Inner> extends [infer V, infer Rest extends string]
        ? [Just<V> | undefined, Rest]
        : never
      : S extends `(${infer Inner}`
        ? Members<Inner, ")">
        : S extends `{${infer Inner}`
          ? Members<Inner, "}">
          : S extends `${infer Letter}${infer Rest}`
            ? Letter extends keyof Basics
              ? [Basics[Letter], Rest]
              : never
            : never;

type Members<
  S extends string,
  Close extends string,
  Done extends readonly unknown[] = [],
> = S extends `${Close}${infer Rest}`
  ? [Done, Rest]
  : Front<S> extends [infer V, infer Rest extends string]
    ? Members<Rest, Close, readonly [...Done, V]>
    : never;

/**
 * What values of a type string are: numbers up to 32 bits and doubles are `number`, 64-bit ones `bigint`, `s`, `o` and `g`
 * strings, `ay` a `Uint8Array`, other arrays arrays, tuples and dictionary entries tuples (so a dictionary is a list of
 * pairs, in its own order), `mX` {@link Just} or `undefined`, `v` a {@link Variant}. A type string that is not known at
 * compile time gives `unknown`.
 */
export type ValueOf<S extends string> = string extends S
  ? unknown
  : Front<S> extends [infer V, ""]
    ? V
    : never;

/** A dictionary of variants, in the order in which it is or was stored; keys may repeat, and the first counts. */
export type Dict = ValueOf<"a{sv}">;
