// Repair of a root: what one store has lost comes back from another that still has it, by reflink. Nothing is taken away before
// what is to take its place is known to be whole.
//
// | damaged | comes back from |
// | --- | --- |
// | composefs: an object | a file of the same content in a layer of containers-storage or an object of ostree |
// | composefs: streams, EROFS images, documents | the image as containers-storage has it, stored again |
// | containers-storage: an image, its layers | the image as composefs has it, stored again under its names |
// | ostree: objects, commits, refs of an image | the image as composefs has it |

import { type Broken, findBroken, type RepositoryFinding } from "@bootc-store/composefs";
import {
  type BackendKind,
  type Finding,
  type OperationOptions,
  signalOf,
  throwIfAborted,
} from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";

import { collect, damageOf, isDamage } from "./damage.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { repairComposefs } from "./repair-composefs.ts";
import { repairContainersStorage } from "./repair-containers-storage.ts";
import { repairOstree } from "./repair-ostree.ts";
import { verifyRoot } from "./verify.ts";

export interface RepairOptions extends OperationOptions {
  readonly pool: Pool;
  /** Told of each thing that is put back. */
  readonly onRepair?: (what: Repaired) => void;
}

/** Something that was put back. */
export interface Repaired {
  readonly store: BackendKind;
  readonly kind: "object" | "image" | "link";
  /** Id of the object; the manifest's digest, or the ref; the path of a link. */
  readonly id: string;
  /** Where it came from; `undefined` for what nothing needs any more, which was taken away. */
  readonly from: BackendKind | undefined;
}

export interface RepairResult {
  /** Findings of the first check that a second one did not see any more. */
  readonly mended: readonly Finding[];
  /** What is wrong still, or anew. */
  readonly left: readonly Finding[];
  readonly repaired: readonly Repaired[];
}

/** A mended store may be what another one is mended from, so one round may make the next one possible. */
const MOST_ROUNDS = 3;

/**
 * Checks all of a root, puts back what can be, and checks again. The stores must be open for writing; others may use them
 * meanwhile, but for moments in which objects are replaced. Throws `storage/not-a-root` and what the stores throw.
 */
export async function repairRoot(
  root: Dir,
  stores: ExistingStores,
  options: RepairOptions,
): Promise<RepairResult> {
  const repaired: Repaired[] = [];
  const tell = (what: Repaired): void => {
    repaired.push(what);
    options.onRepair?.(what);
  };
  const check = async (): Promise<Finding[]> =>
    await collect(verifyRoot(root, stores, { depth: "content", ...signalOf(options) }));
  const first = await check();
  let left = first;
  for (let round = 0; round < MOST_ROUNDS && left.some(isDamage); round++) {
    throwIfAborted(options.signal);
    const before = repaired.length;
    await repairComposefs(stores, left, options, tell);
    const composefs =
      repaired.length === before ? left : await collect(stores.composefs?.verify(signalOf(options)));
    const broken = await brokenOf(stores, composefs, options);
    await repairContainersStorage(stores, left, broken, options, tell);
    await repairOstree(stores, left, broken, options, tell);
    if (repaired.length === before) break;
    left = await check();
  }
  const now = new Set(left.map(keyOf));
  return { mended: first.filter((each) => isDamage(each) && !now.has(keyOf(each))), left, repaired };
}

/** What of composefs is not whole, and so cannot be what another store is mended from. */
async function brokenOf(
  { composefs }: ExistingStores,
  findings: readonly RepositoryFinding[],
  options: OperationOptions,
): Promise<Broken> {
  const own = damageOf("composefs", findings);
  return composefs === undefined || own.length === 0
    ? { objects: new Set(), streams: new Map(), images: new Map(), unneeded: new Set() }
    : await findBroken(composefs.repository, own, signalOf(options));
}

function keyOf({ code, subject }: Finding): string {
  return `${code} ${subject.backend ?? ""} ${subject.kind} ${subject.id} ${subject.path ?? ""}`;
}
