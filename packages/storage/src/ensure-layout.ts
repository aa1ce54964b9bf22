// The two places that composefs needs in a physical root. Both can be asked for again and again.

import { type Log, silentLog, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import {
  BOOTC_ROOT,
  BOOTC_ROOT_LINK_TARGET,
  COMPOSEFS,
  COMPOSEFS_BOOTC_ROOT,
  COMPOSEFS_MODE,
} from "@bootc-store/paths";

import { storageErrors } from "./errors.ts";

/**
 * Makes `composefs` with mode 0700, or gives it that mode: old versions made it 0755, and others must not reach
 * objects by their digest. Throws `storage/composefs-dir-blocked` if something else is there.
 */
export function ensureComposefsDir(physicalRoot: Dir): "created" | "repaired" | "existed" {
  const name = utf8(COMPOSEFS);
  const found = physicalRoot.statOptional(name);
  if (found !== undefined && found.type !== "directory") {
    throw storageErrors.error("composefs-dir-blocked", `${COMPOSEFS} is a ${found.type}, not a directory`, {
      context: { path: COMPOSEFS },
    });
  }
  if (found === undefined) physicalRoot.makeDir(name, COMPOSEFS_MODE);
  else if ((found.mode & 0o7777) === COMPOSEFS_MODE) return "existed";
  physicalRoot.setMode(name, COMPOSEFS_MODE);
  return found === undefined ? "created" : "repaired";
}

/**
 * Makes `composefs/bootc`, and `ostree/bootc` as a link to it. A link that is there is accepted, wherever it leads;
 * a real directory, of an ostree or an upgraded installation, is left alone with a warning.
 * Throws `storage/bootc-root-blocked` for anything else.
 */
export function ensureComposefsBootcLink(
  physicalRoot: Dir,
  log: Log = silentLog,
): "created" | "link" | "directory" {
  physicalRoot.ensureDir(utf8(COMPOSEFS_BOOTC_ROOT), { parents: true });
  physicalRoot.ensureDir(utf8("ostree"));
  const path = utf8(BOOTC_ROOT);
  const found = physicalRoot.statOptional(path);
  if (found === undefined) {
    physicalRoot.symlink(utf8(BOOTC_ROOT_LINK_TARGET), path);
    return "created";
  }
  if (found.type === "symlink") return "link";
  if (found.type === "directory") {
    log.log(
      "warn",
      `${BOOTC_ROOT} is a directory and not a link to ${COMPOSEFS_BOOTC_ROOT}; it is left as it is`,
    );
    return "directory";
  }
  throw storageErrors.error("bootc-root-blocked", `${BOOTC_ROOT} is a ${found.type}`, {
    context: { path: BOOTC_ROOT },
  });
}
