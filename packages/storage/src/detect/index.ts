// What an unknown root holds, offline: nothing is written, and what is damaged is reported beside the rest.
//
// | found | means |
// | --- | --- |
// | ostree/repo/config | an ostree store |
// | composefs/meta.json | a composefs repository of the current format |
// | composefs/objects without it | one of the old format |
// | state/deploy/*/*.origin | composefs boots |
// | ostree/deploy/*/deploy/*.origin | ostree boots |
// | ostree/bootc | a link: installed as composefs; a directory: ostree, or an upgraded old composefs |
// | ostree/bootc/storage/overlay-images/images.json | a containers-storage store |

import { throwIfAborted, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { ROOT_MARKERS } from "@bootc-store/paths";

import { storageErrors } from "../errors.ts";
import { probeBoot } from "./boot.ts";
import { probeComposefs, probeComposefsDeployments } from "./composefs.ts";
import { probeBootcRoot, probeContainersStorage } from "./containers-storage.ts";
import { probeOstree, probeOstreeDeployments } from "./ostree.ts";
import { Probe } from "./probe.ts";
import type { RootReport } from "./report.ts";

/** Looks at a root. Throws `storage/not-a-root` for a directory with none of the places that make one. */
export async function detectRoot(
  root: Dir,
  options: { readonly signal?: AbortSignal } = {},
): Promise<RootReport> {
  throwIfAborted(options.signal);
  if (!ROOT_MARKERS.some((name) => root.statOptional(utf8(name)) !== undefined)) {
    throw storageErrors.error(
      "not-a-root",
      `this directory holds none of ${ROOT_MARKERS.join(", ")}: it is no physical root`,
    );
  }
  const probe = new Probe(root);
  const { stateroots, deployments: ostreeDeployments } = probeOstreeDeployments(probe);
  const ostree = probeOstree(probe, stateroots);
  throwIfAborted(options.signal);
  const composefs = probeComposefs(probe);
  const composefsDeployments = probeComposefsDeployments(probe);
  throwIfAborted(options.signal);
  const bootcRoot = probeBootcRoot(probe);
  const containersStorage = probeContainersStorage(probe, bootcRoot);
  const boot = probeBoot(probe);
  return {
    readOnly: root.info().readOnly,
    bootBackend: bootBackendOf(ostreeDeployments.length > 0, composefsDeployments.length > 0),
    bootcRoot,
    stores: { ostree, composefs, containersStorage },
    deployments: { ostree: ostreeDeployments, composefs: composefsDeployments },
    boot,
    findings: probe.findings,
  };
}

function bootBackendOf(ostree: boolean, composefs: boolean): RootReport["bootBackend"] {
  if (ostree && composefs) return "both";
  return ostree ? "ostree" : composefs ? "composefs" : "none";
}
