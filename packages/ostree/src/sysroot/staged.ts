import { utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { type Dict, gvariant, lookupValue } from "../gvariant/index.ts";
import { type DeploymentName, parseDeploymentName } from "./deployment.ts";

/** What `/run/ostree/staged-deployment` says: a deployment that becomes the default when the system goes down. */
export interface StagedDeployment {
  readonly name: DeploymentName;
  readonly bootChecksum: string | undefined;
  readonly locked: boolean;
  readonly mergeDeployment: DeploymentName | undefined;
  /** Without `ostree=`; `undefined` if those of the merge deployment stay. */
  readonly kargs: readonly string[] | undefined;
}

const STAGED = gvariant("a{sv}");

/** `undefined` if nothing is staged. Throws `ostree/sysroot-invalid`, `ostree/variant-not-normal`. */
export function readStaged(run: Dir): StagedDeployment | undefined {
  const bytes = run.readFileOptional(utf8("ostree/staged-deployment"), { limit: 1 << 20 });
  if (bytes === undefined) return undefined;
  const data = STAGED.decode(bytes, { format: "staged-deployment" });
  const target = lookupValue(data, "target", "a{sv}");
  const name = target === undefined ? undefined : nameOf(target);
  if (target === undefined || name === undefined) {
    throw ostreeErrors.error("sysroot-invalid", "the staged deployment does not say which one it is");
  }
  const merge = lookupValue(data, "merge-deployment", "a{sv}");
  // Earlier versions lock by a file beside.
  const file = run.statOptional(utf8("ostree/staged-deployment-locked")) !== undefined;
  return {
    name,
    bootChecksum: lookupValue(target, "bootcsum", "s"),
    locked: file || lookupValue(data, "locked", "b") === true,
    mergeDeployment: merge === undefined ? undefined : nameOf(merge),
    kargs: lookupValue(data, "kargs", "as"),
  };
}

function nameOf(target: Dict): DeploymentName | undefined {
  const stateroot = lookupValue(target, "osname", "s");
  const name = lookupValue(target, "name", "s");
  return stateroot === undefined || name === undefined ? undefined : parseDeploymentName(stateroot, name);
}
