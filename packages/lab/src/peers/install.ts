import { existsSync } from "node:fs";
import { join } from "node:path";
import { cachePaths } from "../cache.ts";
import { findProgram, requireRoot } from "../host.ts";
import { lock } from "../lock.ts";
import { cfsctlRecord, copyCfsctl, installCfsctl } from "./cfsctl.ts";
import { installTree, treePlace, treeRecord } from "./tree.ts";
import { type PeerStatus, peerStatus } from "./status.ts";

export interface InstallOptions {
  /** Cache directory; see `defaultCache`. */
  cache?: string | undefined;
  /** Gets one line a step. */
  log?: (line: string) => void;
}

/**
 * Puts the real tools into the cache: a Debian tree, and cfsctl. What is there is left alone, so a second call
 * takes milliseconds. Each part is built beside its place and renamed when complete; a call that was killed leaves
 * nothing that a later one trusts. Calls at the same time wait for one another. Without cargo cfsctl is left out, which
 * its status says.
 *
 * @throws LabError `lab/needs-root`, `lab/no-mirror`, `lab/missing-program`, `lab/command-failed`
 */
export async function installPeers(options: InstallOptions = {}): Promise<PeerStatus[]> {
  const cache = cachePaths(options.cache);
  const log = options.log ?? (() => undefined);
  if (!complete()) {
    requireRoot("installing the peers");
    await using _held = await lock(join(cache.locks, "peers"));
    await installTree(cache, log);
    if (cfsctlRecord(cache) === undefined && findProgram("cargo") === undefined)
      log("cfsctl is left out: cargo is not on this machine");
    else {
      await installCfsctl(cache, log);
      const { root } = treePlace(cache);
      if (!existsSync(join(root, "usr/local/bin/cfsctl"))) await copyCfsctl(cache, root);
    }
  }
  return peerStatus(options.cache);

  function complete(): boolean {
    return (
      treeRecord(cache) !== undefined &&
      cfsctlRecord(cache) !== undefined &&
      existsSync(join(treePlace(cache).root, "usr/local/bin/cfsctl"))
    );
  }
}
