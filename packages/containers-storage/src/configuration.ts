// The default store of a host: which files of configuration count, what the environment says, and from it what is opened.

import { isStoreError, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { containersStorageErrors } from "./errors.ts";
import type { StoreReference } from "./format/reference.ts";
import { EMPTY_CONF, mergeStorageConf, parseStorageConf, type StorageConf } from "./format/storage-conf.ts";

/** What configuration asks of whoever runs the program. */
export interface StorageEnvironment {
  /** The host's root directory. */
  readonly root: Dir;
  readonly uid: number;
  readonly home: string;
  /** `CONTAINERS_STORAGE_CONF`, `STORAGE_DRIVER`, `STORAGE_OPTS`, `XDG_CONFIG_HOME` and the like. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** Everything that is needed to open a store, as paths of the host. */
export interface StoreOptions {
  /** Absent: whichever the graph root has, else overlay. */
  readonly driver?: string;
  readonly graphRoot: string;
  readonly runRoot: string;
  /** Graph roots to read besides. */
  readonly additionalStores: readonly string[];
  /** Where images are, if apart. */
  readonly imageStore?: string;
  /** Whether containers are in the run root. */
  readonly transient?: boolean;
}

const CONF_LIMIT = 1 << 20;
const FOLLOW = { resolution: "inRoot" } as const;

/** The configuration of a host: the main file, drop-ins, and what the environment puts in their place. */
export function readStorageConf(environment: StorageEnvironment): StorageConf {
  const only = variable(environment, "CONTAINERS_STORAGE_CONF");
  let conf = EMPTY_CONF;
  if (only !== undefined) {
    conf = mergeStorageConf(conf, readConf(environment, only, true));
  } else {
    const user = `${configHome(environment)}/containers`;
    const mains = [
      `${user}/storage.conf`,
      "/etc/containers/storage.conf",
      "/usr/share/containers/storage.conf",
    ];
    const main = mains.find((path) => exists(environment, path));
    if (main !== undefined) conf = mergeStorageConf(conf, readConf(environment, main, true));
    for (const path of dropIns(environment, user))
      conf = mergeStorageConf(conf, readConf(environment, path, false));
  }
  const last = variable(environment, "CONTAINERS_STORAGE_CONF_OVERRIDE");
  return last === undefined ? conf : mergeStorageConf(conf, readConf(environment, last, true));
}

/**
 * What a reference means on this host. One that names a graph root has nothing to do with the configuration; else the
 * environment's driver and options count before the files'. Throws `containers-storage/feature-unsupported` for what
 * this package would have to obey and cannot.
 */
export function resolveStore(reference: StoreReference, environment: StorageEnvironment): StoreOptions {
  const { graphRoot, runRoot } = reference;
  if (graphRoot !== undefined) {
    return {
      ...(reference.driver === undefined ? {} : { driver: reference.driver }),
      graphRoot,
      runRoot: runRoot ?? defaultRunRoot(environment),
      additionalStores: additionalStoresOf(reference.options),
    };
  }
  const conf = readStorageConf(environment);
  refuseUnsupported(conf);
  const options = variable(environment, "STORAGE_OPTS");
  const driver = variable(environment, "STORAGE_DRIVER") ?? conf.driver;
  return {
    ...(driver === undefined ? {} : { driver }),
    graphRoot: graphRootOf(conf, environment),
    runRoot:
      environment.uid === 0 ? (conf.runRoot ?? defaultRunRoot(environment)) : defaultRunRoot(environment),
    additionalStores:
      options === undefined ? conf.additionalImageStores.values : additionalStoresOf(options.split(",")),
    ...(conf.imageStore === undefined ? {} : { imageStore: conf.imageStore }),
    ...(conf.transientStore === true ? { transient: true } : {}),
  };
}

/** Additional stores that driver options name, in their several spellings. */
function additionalStoresOf(options: readonly string[]): string[] {
  const stores: string[] = [];
  for (const option of options) {
    const equals = option.indexOf("=");
    const key = option
      .slice(0, Math.max(equals, 0))
      .toLowerCase()
      .replace(/^(?:overlay2?|vfs)?\./, "");
    if (key === "additionalimagestore" || key === "imagestore") stores.push(option.slice(equals + 1));
    else if (key === "additionallayerstore") throw unsupported("additional layer stores");
    else if (key === "mount_program" || key === "force_mask") throw unsupported(key);
  }
  return stores;
}

function refuseUnsupported(conf: StorageConf): void {
  if (conf.additionalLayerStores.values.length > 0) throw unsupported("additional layer stores");
  for (const [key, value] of conf.driverOptions) {
    if (/^overlay\.(?:mount_program|force_mask)$/.test(key) && value !== "") throw unsupported(key);
  }
}

function unsupported(what: string): Error {
  return containersStorageErrors.error("feature-unsupported", `${what} cannot be used`);
}

function graphRootOf(conf: StorageConf, environment: StorageEnvironment): string {
  if (environment.uid === 0) return conf.graphRoot ?? "/var/lib/containers/storage";
  const said = conf.rootlessStoragePath;
  if (said !== undefined) {
    return said
      .replaceAll("$HOME", environment.home)
      .replaceAll("$UID", String(environment.uid))
      .replaceAll("$USER", variable(environment, "USER") ?? "");
  }
  const data = variable(environment, "XDG_DATA_HOME") ?? `${environment.home}/.local/share`;
  return `${data}/containers/storage`;
}

function defaultRunRoot(environment: StorageEnvironment): string {
  if (environment.uid === 0) return "/run/containers/storage";
  const run = variable(environment, "XDG_RUNTIME_DIR") ?? `/tmp/containers-user-${environment.uid}`;
  return `${run}/containers`;
}

/** Drop-ins in the order they are read: by file name over all directories, of one name the most specific. */
function dropIns(environment: StorageEnvironment, user: string): string[] {
  const kind = environment.uid === 0 ? "rootful" : "rootless";
  const found = new Map<string, string>();
  for (const base of ["/usr/share/containers", "/etc/containers", user]) {
    const names =
      base === user
        ? ["storage.conf.d"]
        : [
            "storage.conf.d",
            `storage.${kind}.conf.d`,
            ...(kind === "rootless" ? [`storage.rootless.conf.d/${environment.uid}`] : []),
          ];
    for (const name of names) {
      using dir = environment.root.openDirOptional(below(`${base}/${name}`), FOLLOW);
      for (const entry of dir?.list() ?? []) {
        if (entry.name.endsWith(".conf") && entry.type !== "directory") {
          found.set(entry.name, `${base}/${name}/${entry.name}`);
        }
      }
    }
  }
  const sorted = [...found.keys()].sort();
  return sorted.map((name) => found.get(name) as string);
}

function readConf(environment: StorageEnvironment, path: string, required: boolean): StorageConf {
  const bytes = environment.root.readFileOptional(below(path), { ...FOLLOW, limit: CONF_LIMIT });
  if (bytes !== undefined) return parseStorageConf(bytes.toString("utf8"), path);
  if (!required) return EMPTY_CONF;
  throw containersStorageErrors.error("conf-invalid", `open ${path}: no such file or directory`, {
    context: { path },
  });
}

function exists(environment: StorageEnvironment, path: string): boolean {
  try {
    return environment.root.statOptional(below(path), { ...FOLLOW, follow: true }) !== undefined;
  } catch (error) {
    if (isStoreError(error, "linux/not-a-directory")) return false;
    throw error;
  }
}

function configHome(environment: StorageEnvironment): string {
  return variable(environment, "XDG_CONFIG_HOME") ?? `${environment.home}/.config`;
}

function variable(environment: StorageEnvironment, name: string): string | undefined {
  return environment.variables[name] || undefined;
}

function below(path: string): ReturnType<typeof utf8> {
  return utf8(
    path
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .join("/"),
  );
}
