import { type Log, utf8 } from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";

import { Cleanup } from "./cleanup.ts";
import { resolveStore, type StorageEnvironment } from "./configuration.ts";
import { containersStorageErrors } from "./errors.ts";
import type { StoreReference } from "./format/reference.ts";
import type { Driver } from "./places.ts";
import { ContainersStorage } from "./store.ts";

export interface OpenReferenceOptions {
  readonly environment: StorageEnvironment;
  readonly readOnly?: boolean;
  readonly pool?: Pool;
  readonly log?: Log;
  /** In place of what the configuration says. */
  readonly imageStore?: string;
  readonly transient?: boolean;
}

/**
 * Opens the store that a reference means on a host: the configured one, or the one it names. Unless `readOnly` it is
 * made where it is missing, as the real tools do. Throws `containers-storage/store-not-found` for an additional store
 * that is not there.
 */
export function openReferencedStore(
  reference: StoreReference,
  options: OpenReferenceOptions,
): ContainersStorage {
  const { environment, readOnly = false, pool, log } = options;
  const resolved = resolveStore(reference, environment);
  const { driver, graphRoot, runRoot, additionalStores } = resolved;
  const imageStore = options.imageStore ?? resolved.imageStore;
  const transient = options.transient ?? resolved.transient === true;
  using opened = new Cleanup();
  const open = (path: string, make: boolean): Dir => {
    const name = utf8(path.replace(/^\/+/, "").replace(/\/+$/, "").replaceAll(/\/+/g, "/"));
    const follow = { resolution: "inRoot" } as const;
    const found = environment.root.openDirOptional(name, follow);
    if (found !== undefined) return opened.use(found);
    if (!make) {
      throw containersStorageErrors.error("store-not-found", `there is no store at ${path}`, {
        context: { path },
      });
    }
    environment.root.ensureDir(name, { ...follow, parents: true, mode: 0o700 });
    return opened.use(environment.root.openDir(name, follow));
  };
  const settings = {
    graphRoot: open(graphRoot, !readOnly),
    ...(readOnly ? {} : { runRoot: open(runRoot, true) }),
    additional: additionalStores.map((path) => open(path, false)),
    readOnly,
    ...(imageStore === undefined ? {} : { imageStore: open(imageStore, false) }),
    ...(transient ? { transient } : {}),
    ...(driver === undefined ? {} : { driver: knownDriver(driver) }),
    ...(pool === undefined ? {} : { pool }),
    ...(log === undefined ? {} : { log }),
  } as const;
  const store =
    readOnly || driver === "vfs" || imageStore !== undefined
      ? ContainersStorage.open(settings)
      : ContainersStorage.ensure(settings).store;
  opened.move();
  return store;
}

function knownDriver(driver: string): Driver {
  if (driver === "overlay" || driver === "vfs") return driver;
  throw containersStorageErrors.error("driver-unsupported", `the driver ${driver} cannot be used`);
}
