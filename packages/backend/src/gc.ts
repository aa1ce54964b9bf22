import type { BackendKind, OperationOptions } from "@bootc-store/core";

import type { Root } from "./root.ts";

/** One thing that a collection removes. */
export interface Garbage {
  /** What it is: "object", "layer", "image", "stream", "leftover". */
  readonly kind: string;
  readonly id: string;
  /** Bytes that come free with it, as far as is known. */
  readonly bytes: number;
}

export interface GcOptions extends OperationOptions {
  /** Kept besides the store's own roots. */
  readonly keep?: readonly Root[];
}

/** What would be removed. A plan is for showing, not for trusting: applying it marks again. */
export interface GcPlan {
  readonly kind: BackendKind;
  readonly roots: readonly Root[];
  readonly garbage: readonly Garbage[];
  readonly bytes: number;
}

export type GcApplyOptions = OperationOptions;

export interface GcResult {
  readonly removed: readonly Garbage[];
  readonly bytes: number;
  /** What the plan named and is reachable by now, so that it was kept. */
  readonly kept: readonly Garbage[];
}
