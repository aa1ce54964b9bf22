import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../atomic.ts";
import { LabError } from "../errors.ts";
import { requireRoot } from "../host.ts";
import { succeed } from "../exec.ts";
import type { Lab } from "../lab.ts";
import { lock } from "../lock.ts";
import { readRecord, recordPath } from "../peers/record.ts";
import type { TreeName } from "./packages.ts";
import { buildOsTree, treeDirectory } from "./tree.ts";

export interface OciLayout {
  /** The layout's directory; peers see it there, read-only. */
  path: string;
  tag: string;
  /** `oci:PATH:TAG`, as skopeo and cfsctl want it. */
  reference: string;
}

const TAG = "v1";

/** The tree as an OCI image: two layers, all but /etc and then /etc; gzip. */
export async function buildOciLayout(
  name: TreeName,
  lab: Lab,
  options: { log?: (line: string) => void } = {},
): Promise<OciLayout> {
  const tree = await buildOsTree(name, { cache: lab.cache.root, ...options });
  const place = `${treeDirectory(lab.cache, name)}-layout`;
  const layout = (): OciLayout | undefined => readRecord(place) as OciLayout | undefined;
  const there = layout();
  if (there) return there;
  requireRoot(`building the ${name} image`);
  await using _held = await lock(join(lab.cache.locks, `oci-${name}`));
  const meanwhile = layout();
  if (meanwhile) return meanwhile;
  options.log?.(`making an OCI image of the ${name} tree`);
  const { umoci } = lab.peers;
  // umoci works in a scratch directory, where it sees a copy that shares its bytes where it can.
  await using scratch = lab.scratch("oci");
  const work = join(scratch.path, "layout");
  const rest = join(scratch.path, "rest");
  await mkdir(rest);
  await succeed(["cp", "-a", "--reflink=auto", `${tree.root}/.`, rest], { timeout: 600_000 });
  const etc = join(scratch.path, "etc");
  await succeed(["mv", join(rest, "etc"), etc]);
  const image = `${work}:${TAG}`;
  const long = { timeout: 600_000 };
  await umoci.succeed(["init", "--layout", work]);
  await umoci.succeed(["new", "--image", image]);
  // umoci would name the root `/` in the layer, which ostree-ext refuses.
  const layer = join(scratch.path, "layer.tar");
  await lab.peers.tar.succeed(
    ["--xattrs", "--numeric-owner", "--sort=name", "-C", rest, "-cf", layer, "."],
    long,
  );
  await umoci.succeed(["raw", "add-layer", "--image", image, layer], long);
  await umoci.succeed(["insert", "--image", image, etc, "/etc"], long);
  const labels = ["--config.label", "containers.bootc=1", "--config.label", "ostree.bootable=true"];
  await umoci.succeed(["config", "--image", image, ...labels]);
  await umoci.succeed(["gc", "--layout", work]);
  await succeed(["chmod", "-R", "a+rX", work]);
  await makeDirectory(place, lab.cache.images, async (temporary) => {
    await succeed(["mv", work, join(temporary, "layout")], long);
    const path = join(place, "layout");
    const record: OciLayout = { path, tag: TAG, reference: `oci:${path}:${TAG}` };
    await writeFile(recordPath(temporary), `${JSON.stringify(record, null, 2)}\n`);
  });
  const made = layout();
  if (!made) throw new LabError("lab/image", `the ${name} image was made without its record`);
  return made;
}
