import type { BackendKind, Finding } from "@bootc-store/core";

import type { GcApplyOptions, GcOptions, GcPlan, GcResult } from "./gc.ts";
import type { InspectOptions, Inspection } from "./inspect.ts";
import type { Root, RootsOptions } from "./root.ts";
import type { BackendTraits } from "./traits.ts";
import type { Usage, UsageOptions } from "./usage.ts";
import type { VerifyOptions } from "./verify.ts";

/**
 * What a facade may ask of a store without caring which one it is.
 *
 * Every implementation promises, and the contract's scenarios test:
 * - `inspect` writes nothing, and works on a store that is damaged or read-only;
 * - `verify` yields findings in a stable order and throws only if it could not look;
 * - `usage` counts each inode once;
 * - `planGc` changes nothing; `applyGc` takes the exclusive lock, marks again, and removes only what is still
 *   unreachable;
 * - every method takes a signal and stops within a bounded time with `core/cancelled`, leaving nothing
 *   half-done;
 * - disposing twice is fine, and using after disposing is `core/use-after-dispose`.
 */
export interface ReadableBackend extends AsyncDisposable {
  readonly kind: BackendKind;
  readonly traits: BackendTraits;
  inspect(options?: InspectOptions): Promise<Inspection>;
  roots(options?: RootsOptions): AsyncIterable<Root>;
  verify(options?: VerifyOptions): AsyncIterable<Finding>;
  usage(options?: UsageOptions): Promise<Usage>;
  planGc(options?: GcOptions): Promise<GcPlan>;
}

/** A store that was opened for writing. A read-only opening does not have these methods at all. */
export interface Backend extends ReadableBackend {
  applyGc(plan: GcPlan, options?: GcApplyOptions): Promise<GcResult>;
}
