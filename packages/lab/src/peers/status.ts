import { existsSync } from "node:fs";
import { join } from "node:path";
import { cachePaths } from "../cache.ts";
import { isRoot } from "../host.ts";
import { CFSCTL_VERSION, packageOf, type PeerName, peerNames } from "./names.ts";
import { cfsctlRecord } from "./cfsctl.ts";
import { treePlace, treeRecord } from "./tree.ts";

/** Whether a peer can be run, and if not why. */
export type PeerStatus =
  | { name: PeerName; available: true; version: string; package: string }
  | { name: PeerName; available: false; reason: string };

const PLACES = ["usr/local/bin", "usr/bin", "usr/sbin"];

/** What is installed, from the records and a look at the files; starts no program. */
export function peerStatus(cacheRoot?: string): PeerStatus[] {
  const cache = cachePaths(cacheRoot);
  const tree = treeRecord(cache);
  const cfsctl = cfsctlRecord(cache);
  const { root } = treePlace(cache);
  return peerNames.map((name): PeerStatus => {
    const absent = (reason: string): PeerStatus => ({ name, available: false, reason });
    if (!tree) return absent(`the peers are not installed in ${cache.root}`);
    if (!isRoot()) return absent("running the peers needs root");
    if (!PLACES.some((place) => existsSync(join(root, place, name))))
      return absent(`${name} is not in the tree`);
    if (name === "cfsctl") {
      if (!cfsctl) return absent("cfsctl is not installed");
      return { name, available: true, version: CFSCTL_VERSION, package: "composefs-ctl (cargo)" };
    }
    const pack = packageOf(name) ?? name;
    const version = tree.packages[pack];
    if (version === undefined) return absent(`package ${pack} is not in the tree`);
    return { name, available: true, version, package: pack };
  });
}
