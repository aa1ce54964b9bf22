import type { BackendKind, Finding, OperationOptions } from "@bootc-store/core";

/** What a store is, at a glance. Making one writes nothing and works on a damaged or read-only store. */
export interface Inspection {
  readonly kind: BackendKind;
  /** The format's version and mode in the store's own words, for instance `bare` or `v1`. */
  readonly format: string;
  readonly readOnly: boolean;
  /** How many there are of what the store holds: `objects`, `commits`, `images`, `layers`, `streams`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Facts for a person, in the order to show them. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** What was seen to be wrong on the way. `verify` looks closer. */
  readonly findings: readonly Finding[];
}

export type InspectOptions = OperationOptions;
