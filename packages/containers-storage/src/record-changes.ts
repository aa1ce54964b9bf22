// Changes of records of layers and containers after they were made: items, metadata, names.

import { withBigData, writeBigData } from "./big-data.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import type { LayerRecord } from "./format/layers-json.ts";
import { namesAfter, type NamesChange } from "./names.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

/** Stores an item of a layer under a key; layers keep only the names of their items in the record. */
export async function setLayerItem(
  root: StoreRoot,
  id: string,
  key: string,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  refuseEmpty("layer", key);
  await changeLayer(
    root,
    id,
    (record) => {
      writeBigData(root.places, "layers", id, key, bytes);
      const { bigDataNames } = record;
      return bigDataNames.includes(key) ? record : { ...record, bigDataNames: [...bigDataNames, key] };
    },
    signal,
  );
}

/** Stores an item of a container under a key. */
export async function setContainerItem(
  root: StoreRoot,
  id: string,
  key: string,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  refuseEmpty("container", key);
  await changeContainers(
    root,
    id,
    (record) => {
      writeBigData(root.places, "containers", id, key, bytes);
      return withBigData(record, key, bytes);
    },
    signal,
  );
}

export async function setLayerMetadata(
  root: StoreRoot,
  id: string,
  metadata: string,
  signal?: AbortSignal,
): Promise<void> {
  await changeLayer(root, id, (record) => ({ ...record, metadata }), signal);
}

export async function setContainerMetadata(
  root: StoreRoot,
  id: string,
  metadata: string,
  signal?: AbortSignal,
): Promise<void> {
  await changeContainers(root, id, (record) => ({ ...record, metadata }), signal);
}

/** Changes a container's names. A name that another container has is taken from it. Returns the names that it then has. */
export async function changeContainerNames(
  root: StoreRoot,
  id: string,
  wanted: NamesChange,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  let names: readonly string[] = [];
  await changeContainers(
    root,
    id,
    (record) => {
      names = namesAfter(record.names, wanted);
      return { ...record, names };
    },
    signal,
    (other) => ({ ...other, names: other.names.filter((name) => !names.includes(name)) }),
  );
  return names;
}

async function changeLayer(
  root: StoreRoot,
  id: string,
  work: (record: LayerRecord) => LayerRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await root.records.change(["layers"], signal, async (change) => {
    const record = change.layers.get(id);
    if (record === undefined) {
      throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
        context: { layer: id },
      });
    }
    const next = work(record);
    if (next !== record)
      await change.saveLayers(change.layers.all.map((each) => (each.id === id ? next : each)));
  });
}

async function changeContainers(
  root: StoreRoot,
  id: string,
  work: (record: ContainerRecord) => ContainerRecord,
  signal: AbortSignal | undefined,
  others: (record: ContainerRecord) => ContainerRecord = (record) => record,
): Promise<void> {
  await root.records.change(["containers"], signal, async (change) => {
    const record = change.containers.find((each) => each.id === id);
    if (record === undefined) {
      throw containersStorageErrors.error("container-not-found", "container not known", {
        context: { container: id },
      });
    }
    const next = work(record);
    change.saveContainers(change.containers.map((each) => (each.id === id ? next : others(each))));
  });
}

function refuseEmpty(what: string, key: string): void {
  if (key !== "") return;
  throw containersStorageErrors.error(
    "big-data-missing",
    `can't set empty name for ${what} big data item: not a valid name for a big data item`,
  );
}
