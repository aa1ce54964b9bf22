/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// A root as tests keep one: `root` and `run` below one directory.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import type { openLab } from "@bootc-store/lab";
import { Dir, type Pool } from "@bootc-store/linux";
import { parseImageReference } from "@bootc-store/oci";

import { ExistingStores, PhysicalStores, pull, type PullResult } from "../src/index.ts";
import { osImage } from "./os-image.ts";

/** Makes a root with these images in all of its stores. */
export async function fillRoot(path: string, pool: Pool, seeds: readonly number[]): Promise<PullResult[]> {
  for (const name of ["root/ostree", "run"]) mkdirSync(join(path, name), { recursive: true });
  using root = Dir.openHost(utf8(join(path, "root")));
  using run = Dir.openHost(utf8(join(path, "run")));
  const pulled: PullResult[] = [];
  for (const seed of seeds) {
    await using stores = new PhysicalStores(root, run, { pool });
    const reference = parseImageReference(`oci:/images/os:${seed}`);
    pulled.push(await pull(stores, { image: await osImage(seed), reference, name: `localhost/os:${seed}` }));
  }
  return pulled;
}

/** Opens the stores that the root has. */
export async function withRoot<T>(
  path: string,
  pool: Pool,
  work: (stores: ExistingStores, root: Dir) => Promise<T>,
  access: "read" | "write" = "write",
): Promise<T> {
  using root = Dir.openHost(utf8(join(path, "root")));
  using runRoot = Dir.openHost(utf8(join(path, "run")));
  await using stores = await ExistingStores.open(root, { pool, runRoot, access });
  return await work(stores, root);
}

/** Lets the tools that own the stores check them, those that are there. */
export async function askPeers(lab: ReturnType<typeof openLab>, path: string): Promise<void> {
  const root = join(path, "root");
  const graph = ["--graph", join(root, "ostree/bootc/storage"), "--run", join(path, "run")];
  if (lab.missing({ peers: ["containers-storage"] }) === undefined)
    await lab.peers["containers-storage"].succeed([...graph, "check"]);
  if (lab.missing({ peers: ["cfsctl"] }) === undefined) {
    await lab.peers.cfsctl.succeed(["--repo", join(root, "composefs"), "fsck"]);
    await lab.peers.cfsctl.succeed(["--repo", join(root, "composefs"), "oci", "fsck"]);
  }
  if (lab.missing({ peers: ["ostree"] }) === undefined)
    await lab.peers.ostree.succeed([`--repo=${join(root, "ostree/repo")}`, "fsck", "-q"]);
}
