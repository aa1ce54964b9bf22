// Commands below `container image` that look at deployments.

import { parseOstreeReference, printBootcReference } from "@bootc-store/oci";

import { listImages, removeImages, removeUnusedLayers } from "../container/index.ts";
import type { Sysroot } from "../sysroot/sysroot.ts";
import { openSysroot } from "./admin.ts";
import type { ContainerCommand } from "./container.ts";
import { containerArguments, needed, UsageFailure } from "./container-places.ts";

/**
 * Removes the refs of images that no deployment's origin names and, with `--and-layers` and if there were such images, those of
 * layers that no image has.
 */
export const pruneImages: ContainerCommand = async (cli, argv) => {
  const { options } = containerArguments(
    { sysroot: { kind: "value" }, "and-layers": { kind: "flag" }, full: { kind: "flag" } },
    argv,
    [],
  );
  if (options.full) throw new UsageFailure("--full is not supported: it writes to the sysroot");
  using sysroot = openSysroot(cli, needed(options.sysroot, "sysroot"));
  const { repo } = sysroot;
  const deployed = deployedReferences(sysroot);
  const unused = listImages(repo)
    .map(({ reference }) => reference)
    .filter((reference) => reference !== undefined && !deployed.has(reference)) as string[];
  removeImages(repo, unused);
  if (unused.length === 0) {
    await cli.line("No unreferenced images.");
    return 0;
  }
  for (const reference of unused) await cli.line(`Removed: ${reference}`);
  if (options["and-layers"]) await cli.line(`Removed layers: ${removeUnusedLayers(repo)}`);
  return 0;
};

/** What the deployments were made of, as their origins say. */
function deployedReferences(sysroot: Sysroot): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { origin } of sysroot.deployments) {
    const text = origin?.getString("origin", "container-image-reference");
    if (text !== undefined) found.add(printBootcReference(parseOstreeReference(text).image));
  }
  return found;
}
