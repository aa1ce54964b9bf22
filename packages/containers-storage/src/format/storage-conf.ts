// storage.conf: which store is the default one, and with what options it is opened.

import { parse, type TomlTable } from "smol-toml";

import { containersStorageErrors } from "../errors.ts";

/** What one or more files of configuration say. What none of them says is absent. */
export interface StorageConf {
  readonly driver?: string;
  readonly graphRoot?: string;
  readonly runRoot?: string;
  /** A store of its own for images: the split image store. */
  readonly imageStore?: string;
  readonly rootlessStoragePath?: string;
  readonly transientStore?: boolean;
  readonly driverPriority: ConfList;
  readonly additionalImageStores: ConfList;
  readonly additionalLayerStores: ConfList;
  /** Options of drivers as `overlay.key` and their values, whichever of the two places they were written in. */
  readonly driverOptions: ReadonlyMap<string, string>;
  readonly pullOptions: ReadonlyMap<string, string>;
}

/** A list; with `append` files that are read later add to it, and without they replace it. */
export interface ConfList {
  readonly values: readonly string[];
  readonly append: boolean;
  /** Whether any file has it. */
  readonly set: boolean;
}

const EMPTY_LIST: ConfList = { values: [], append: false, set: false };

export const EMPTY_CONF: StorageConf = {
  driverPriority: EMPTY_LIST,
  additionalImageStores: EMPTY_LIST,
  additionalLayerStores: EMPTY_LIST,
  driverOptions: new Map(),
  pullOptions: new Map(),
};

/** Options that may stand in `[storage.options]` itself and mean the driver's. */
const LOOSE_OPTIONS = [
  "size",
  "inodes",
  "skip_mount_home",
  "ignore_chown_errors",
  "mount_program",
  "mountopt",
  "force_mask",
  "use_composefs",
];

/** Parses one file. @param file for messages. Throws `containers-storage/conf-invalid`. */
export function parseStorageConf(text: string, file = "storage.conf"): StorageConf {
  let document: TomlTable;
  try {
    document = parse(text);
  } catch (cause) {
    throw invalid(file, "not TOML", cause);
  }
  const storage = tableOf(document["storage"], file, "storage");
  const options = tableOf(storage["options"], file, "storage.options");
  const driver = textOf(storage["driver"], file, "driver");
  const driverOptions = new Map<string, string>();
  const named = driver ?? "overlay";
  for (const key of LOOSE_OPTIONS) {
    const value = optionOf(options[key], file, key);
    if (value !== undefined) driverOptions.set(`${named}.${key}`, value);
  }
  for (const table of ["overlay", "vfs", "btrfs", "zfs"]) {
    for (const [key, each] of Object.entries(tableOf(options[table], file, `storage.options.${table}`))) {
      const value = optionOf(each, file, `${table}.${key}`);
      if (value !== undefined) driverOptions.set(`${table}.${key}`, value);
    }
  }
  const pullOptions = new Map<string, string>();
  for (const [key, each] of Object.entries(tableOf(options["pull_options"], file, "pull_options"))) {
    const value = optionOf(each, file, key);
    if (value !== undefined) pullOptions.set(key, value);
  }
  const transient = storage["transient_store"];
  if (transient !== undefined && typeof transient !== "boolean")
    throw invalid(file, "transient_store is no boolean");
  return {
    ...present("driver", driver),
    ...present("graphRoot", textOf(storage["graphroot"], file, "graphroot")),
    ...present("runRoot", textOf(storage["runroot"], file, "runroot")),
    ...present("imageStore", textOf(storage["imagestore"], file, "imagestore")),
    ...present(
      "rootlessStoragePath",
      textOf(storage["rootless_storage_path"], file, "rootless_storage_path"),
    ),
    ...(transient === undefined ? {} : { transientStore: transient }),
    driverPriority: listOf(storage["driver_priority"], file, "driver_priority"),
    additionalImageStores: listOf(options["additionalimagestores"], file, "additionalimagestores"),
    additionalLayerStores: listOf(options["additionallayerstores"], file, "additionallayerstores"),
    driverOptions,
    pullOptions,
  };
}

/** What two files say together; the later one counts. */
export function mergeStorageConf(earlier: StorageConf, later: StorageConf): StorageConf {
  return {
    ...earlier,
    ...later,
    driverPriority: mergeLists(earlier.driverPriority, later.driverPriority),
    additionalImageStores: mergeLists(earlier.additionalImageStores, later.additionalImageStores),
    additionalLayerStores: mergeLists(earlier.additionalLayerStores, later.additionalLayerStores),
    driverOptions: new Map([...earlier.driverOptions, ...later.driverOptions]),
    pullOptions: new Map([...earlier.pullOptions, ...later.pullOptions]),
  };
}

/** Once a file has said that it appends, all later ones do unless they say otherwise. */
function mergeLists(earlier: ConfList, later: ConfList): ConfList {
  if (!later.set) return earlier;
  if (!later.append && !earlier.append) return later;
  return { values: [...earlier.values, ...later.values], append: true, set: true };
}

function listOf(value: unknown, file: string, key: string): ConfList {
  if (value === undefined) return EMPTY_LIST;
  if (!Array.isArray(value)) throw invalid(file, `${key} is no list`);
  const values: string[] = [];
  let append = false;
  for (const each of value as readonly unknown[]) {
    if (typeof each === "string") values.push(each);
    else if (isTable(each) && typeof each["append"] === "boolean") append = each["append"];
    else throw invalid(file, `${key} is no list of strings`);
  }
  return { values, append, set: true };
}

function tableOf(value: unknown, file: string, key: string): TomlTable {
  if (value === undefined) return {};
  if (!isTable(value)) throw invalid(file, `${key} is no table`);
  return value;
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function textOf(value: unknown, file: string, key: string): string | undefined {
  if (value === undefined || value === "") return undefined;
  if (typeof value !== "string") throw invalid(file, `${key} is no string`);
  return value;
}

function optionOf(value: unknown, file: string, key: string): string | undefined {
  return typeof value === "boolean" ? String(value) : textOf(value, file, key);
}

function present<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: string });
}

function invalid(file: string, problem: string, cause?: unknown): Error {
  return containersStorageErrors.error("conf-invalid", `${file}: ${problem}`, {
    context: { path: file },
    ...(cause === undefined ? {} : { cause }),
  });
}
