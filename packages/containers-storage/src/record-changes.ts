// Items and metadata of images, layers and containers after they were made.

import { withBigData, writeBigData } from "./big-data.ts";
import { changeContainer, changeImage, changeLayer } from "./change-record.ts";
import { containersStorageErrors } from "./errors.ts";
import { defined } from "./format/layers-json.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

/** Stores an item under a key. The first manifest that an image without a digest gets is its digest. */
export async function setImageItem(
  root: StoreRoot,
  id: string,
  key: string,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  await changeImage(
    root,
    id,
    (record) => {
      writeBigData(root.places, "images", id, key, bytes);
      const next = withBigData(record, key, bytes);
      const digest = key.startsWith("manifest") ? next.bigDataDigests.get(key) : undefined;
      return { ...next, ...defined({ digest: record.digest ?? digest }) };
    },
    signal,
  );
}

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
  await changeContainer(
    root,
    id,
    (record) => {
      writeBigData(root.places, "containers", id, key, bytes);
      return withBigData(record, key, bytes);
    },
    signal,
  );
}

export async function setMetadata(
  root: StoreRoot,
  id: string,
  metadata: string,
  signal?: AbortSignal,
): Promise<void> {
  await changeImage(root, id, (record) => ({ ...record, metadata }), signal);
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
  await changeContainer(root, id, (record) => ({ ...record, metadata }), signal);
}

function refuseEmpty(what: string, key: string): void {
  if (key !== "") return;
  throw containersStorageErrors.error(
    "big-data-missing",
    `can't set empty name for ${what} big data item: not a valid name for a big data item`,
  );
}
