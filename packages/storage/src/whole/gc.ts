// One collection over the stores of a root. What the system is deployed from is kept in every store, besides what each
// store keeps by itself.

import type { Garbage, GcPlan, GcResult, Root } from "@bootc-store/backend";
import { deploymentRoots } from "@bootc-store/composefs";
import {
  type BackendKind,
  type OperationOptions,
  parseDigestOptional,
  throwIfAborted,
} from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { detectRoot } from "../detect/index.ts";
import type { RootReport } from "../detect/report.ts";
import { storageErrors } from "../errors.ts";
import type { ExistingStores } from "./existing-stores.ts";

/** What would be removed, store by store in the order in which it is done. */
export interface RootGcPlan {
  readonly plans: readonly GcPlan[];
  /** Bytes of all garbage; what another store shares does not come free. */
  readonly bytes: number;
}

export interface RootGcResult {
  readonly results: readonly (GcResult & { readonly kind: BackendKind })[];
  readonly bytes: number;
}

/**
 * Looks for what nothing needs. Throws `storage/deployments-unreadable` where a deployment cannot be understood: what it
 * needs is then not known.
 */
export async function planRootGc(
  root: Dir,
  stores: ExistingStores,
  options: OperationOptions = {},
): Promise<RootGcPlan> {
  const { signal } = options;
  const keep = await deployed(root, options);
  const plans: GcPlan[] = [];
  for (const { kind, backend } of stores.all) {
    throwIfAborted(signal);
    plans.push(await backend.planGc({ ...options, keep: keep.filter((each) => each.backend === kind) }));
  }
  return { plans, bytes: sumOf(plans.flatMap(({ garbage }) => garbage)) };
}

/** Removes what was planned and is still not needed. The stores must have been opened for writing. */
export async function applyRootGc(
  stores: ExistingStores,
  { plans }: RootGcPlan,
  options: OperationOptions = {},
): Promise<RootGcResult> {
  const results: RootGcResult["results"][number][] = [];
  // Always in this order, each store's lock by itself, so that two collections cannot wait for one another.
  for (const { kind, backend } of stores.all) {
    throwIfAborted(options.signal);
    const plan = plans.find((each) => each.kind === kind);
    if (plan !== undefined) results.push({ kind, ...(await backend.applyGc(plan, options)) });
  }
  return { results, bytes: results.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/**
 * What the deployments of a root need of each store. Throws `storage/deployments-unreadable`, `storage/not-a-root`.
 */
export async function deployed(root: Dir, { signal }: OperationOptions = {}): Promise<Root[]> {
  const report = await detectRoot(root, signal === undefined ? {} : { signal });
  requireReadable(report);
  return [...rootsOfComposefs(report), ...rootsOfOstree(report)];
}

/** Where deployments lie. Damage there means that not all of them may be known. */
const DEPLOYMENTS = /^(?:state|ostree\/deploy)(?:\/|$)/;

function requireReadable({ findings }: RootReport): void {
  const doubtful = findings.find(
    ({ subject, severity }) => severity === "error" && DEPLOYMENTS.test(subject.path ?? ""),
  );
  if (doubtful !== undefined) {
    throw storageErrors.error(
      "deployments-unreadable",
      `nothing is collected, since a deployment cannot be understood: ${doubtful.message}`,
      { context: { finding: doubtful.code, path: doubtful.subject.path ?? "" } },
    );
  }
}

function rootsOfComposefs({ deployments }: RootReport): Root[] {
  const all = deployments.composefs.map(({ id, imageReference, bootType, manifestDigest }) => {
    const digest = manifestDigest === null ? undefined : parseDigestOptional(manifestDigest);
    return {
      verity: id,
      origin: {
        imageReference: imageReference ?? "",
        bootType: bootType === "uki" ? ("uki" as const) : ("bls" as const),
        ...(digest === undefined ? {} : { manifestDigest: digest }),
      },
    };
  });
  return deploymentRoots({ others: all, unreferenced: [], missing: [], rollbackQueued: false });
}

function rootsOfOstree({ deployments }: RootReport): Root[] {
  return deployments.ostree.map(({ stateroot, checksum, serial }) => ({
    backend: "ostree",
    kind: "deployment",
    name: `${stateroot}/${checksum}.${serial}`,
    target: checksum,
  }));
}

function sumOf(garbage: readonly Garbage[]): number {
  return garbage.reduce((sum, { bytes }) => sum + bytes, 0);
}
