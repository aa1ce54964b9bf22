import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { debianMirror } from "../apt.ts";
import { makeDirectory } from "../atomic.ts";
import type { CachePaths } from "../cache.ts";
import { contained } from "../contained.ts";
import { succeed } from "../exec.ts";
import { ensurePrograms } from "../host.ts";
import { PEER_SUITE, treePackages } from "./names.ts";
import { readRecord, recordPath, type TreeRecord } from "./record.ts";

/** Raised when the way the tree is made changes in a way that the list of packages does not show. */
const RECIPE_VERSION = 1;

const recipe = createHash("sha256")
  .update(JSON.stringify([RECIPE_VERSION, PEER_SUITE, treePackages]))
  .digest("hex")
  .slice(0, 12);

export interface TreePlace {
  directory: string;
  /** The root of the tree, to be entered. */
  root: string;
}

export function treePlace(cache: CachePaths): TreePlace {
  const directory = join(cache.peers, `${PEER_SUITE}-${recipe}`);
  return { directory, root: join(directory, "root") };
}

export const treeRecord = (cache: CachePaths): TreeRecord | undefined =>
  readRecord(treePlace(cache).directory) as TreeRecord | undefined;

/** Makes the tree (about a minute, 650 MB) unless it is there. The caller holds the lock of the peers. */
export async function installTree(cache: CachePaths, log: (line: string) => void): Promise<TreeRecord> {
  const there = treeRecord(cache);
  if (there) return there;
  await ensurePrograms([["mmdebstrap", "mmdebstrap"]], log);
  const mirror = debianMirror();
  const place = treePlace(cache);
  await makeDirectory(place.directory, cache.peers, async (temporary) => {
    const root = join(temporary, "root");
    log(`making a Debian ${PEER_SUITE} tree of ${treePackages.length} packages and what they need`);
    await mkdir(root);
    await contained(
      [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        `--include=${treePackages.join(",")}`,
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=APT::Install-Recommends "false"',
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        PEER_SUITE,
        root,
        `deb [signed-by=${mirror.signedBy}] ${mirror.uri} ${PEER_SUITE} main`,
      ],
      { timeout: 1_200_000 },
    );
    const { text } = await succeed(["chroot", root, "dpkg-query", "-W", "-f", "${Package}\\t${Version}\\n"]);
    const packages = Object.fromEntries(
      text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => line.split("\t") as [string, string]),
    );
    const architecture = (await succeed(["chroot", root, "dpkg", "--print-architecture"])).text.trim();
    const record: TreeRecord = {
      recipe,
      suite: PEER_SUITE,
      architecture,
      madeAt: new Date().toISOString(),
      packages,
    };
    await writeFile(recordPath(temporary), `${JSON.stringify(record, null, 2)}\n`);
    await succeed(["sync", "-f", recordPath(temporary)]);
  });
  const made = treeRecord(cache);
  if (!made) throw new Error(`the tree was made without its record: ${place.directory}`);
  return made;
}
