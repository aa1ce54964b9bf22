import { textOf, utf8 } from "@bootc-store/core";

import type { Deployment } from "./deployment.ts";
import type { Sysroot } from "./sysroot.ts";

/** A directory of `/boot` with a kernel, and who needs it. */
export interface BootDirectory {
  /** Relative to the sysroot. */
  readonly path: string;
  readonly stateroot: string;
  readonly bootChecksum: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Deployments that boot from it; if there are none it is left over. */
  readonly deployments: readonly Deployment[];
}

/** What `/boot/ostree` holds, in byte order of the names. */
export function listBootDirectories({ dir, deployments }: Sysroot): BootDirectory[] {
  using top = dir.openDirOptional(utf8("boot/ostree"));
  if (top === undefined) return [];
  const found: BootDirectory[] = [];
  for (const { name, type } of top.list()) {
    const [, stateroot, bootChecksum] = /^(.+)-([0-9a-f]{64})$/.exec(textOf(name) ?? "") ?? [];
    if (type !== "directory" || stateroot === undefined || bootChecksum === undefined) continue;
    using own = top.openDir(name);
    const files: { name: string; bytes: number }[] = [];
    for (const entry of own.walk()) {
      const file = textOf(entry.path);
      if (entry.type !== "regular" || file === undefined) continue;
      files.push({ name: file, bytes: own.stat(entry.path).size });
    }
    files.sort((a, b) => (a.name < b.name ? -1 : 1));
    found.push({
      path: `boot/ostree/${stateroot}-${bootChecksum}`,
      stateroot,
      bootChecksum,
      files,
      deployments: deployments.filter(
        (each) => each.stateroot === stateroot && each.bootChecksum === bootChecksum,
      ),
    });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}
