import type { Root } from "@bootc-store/backend";

import { documentStreamName } from "../oci/documents.ts";
import type { ComposefsDeployment, ComposefsDeployments } from "./read.ts";

/**
 * What a collection of the repository must keep for a system's deployments: of each the image that it boots, and the manifest that it
 * is of. For `keep` of `planGc`; a deployment that has a state directory only is kept as well.
 */
export function deploymentRoots(deployments: ComposefsDeployments): Root[] {
  const { booted, staged, rollback, others, unreferenced } = deployments;
  const all = [booted, staged, rollback, ...others, ...unreferenced].filter((each) => each !== undefined);
  return all.flatMap(rootsOf);
}

function rootsOf({ verity, origin }: ComposefsDeployment): Root[] {
  const root = (target: string): Root => ({ backend: "composefs", kind: "deployment", name: verity, target });
  const { manifestDigest } = origin;
  return [
    root(verity),
    ...(manifestDigest === undefined ? [] : [root(documentStreamName("manifest", manifestDigest))]),
  ];
}
