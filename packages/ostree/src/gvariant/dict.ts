import type { Dict, ValueOf, Variant } from "./value.ts";

/** A variant whose value fits its type, as the compiler checks. */
export function variant<const S extends string>(type: S, value: ValueOf<S>): Variant {
  return { type, value };
}

/** The first value of a key, whatever its type. */
export function lookupVariant(dict: Dict, key: string): Variant | undefined {
  return dict.find(([name]) => name === key)?.[1];
}

/** The first value of a key, if it is of this type. */
export function lookupValue<const S extends string>(
  dict: Dict,
  key: string,
  type: S,
): ValueOf<S> | undefined {
  const found = lookupVariant(dict, key);
  return found?.type === type ? (found.value as ValueOf<S>) : undefined;
}
