// Containers as records with a writable layer: what `containers-storage create-container` makes. Nothing is run.

import { utf8 } from "@bootc-store/core";

import { Cleanup } from "./cleanup.ts";
import { containersStorageErrors } from "./errors.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import { defined } from "./format/layers-json.ts";
import { timeNow } from "./format/record.ts";
import { makeLayer, randomId } from "./layer-create.ts";
import { removeIncomplete, takeLayers } from "./layers-write.ts";
import { unmountIn } from "./mounts.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import { undo } from "./undo.ts";

const ALL = ["layers", "images", "containers"] as const;

export interface CreateContainerOptions {
  /** An image's id; without one the container's layer stands on nothing. */
  readonly image?: string;
  readonly id?: string;
  readonly names?: readonly string[];
  readonly metadata?: string;
  /** It does not outlive a boot: kept in the files that are not synced. */
  readonly volatile?: boolean;
  readonly signal?: AbortSignal;
}

/** Makes a container and its layer. In a transient store every container is volatile, and in the run root. Throws `containers-storage/image-not-found`, `container-id-taken`. */
export async function createContainer(
  root: StoreRoot,
  options: CreateContainerOptions,
): Promise<ContainerRecord> {
  const { places, records } = root;
  const { image, id = randomId(), names = [], metadata, signal } = options;
  const transient = places.containersIn === "run";
  const volatile = transient || options.volatile === true;
  const shelf = transient ? "transient" : volatile ? "volatile" : "stable";
  return await records.change(ALL, signal, async (change) => {
    await removeIncomplete(places, change);
    const found = image === undefined ? undefined : change.images.get(image);
    if (image !== undefined && found === undefined) {
      throw containersStorageErrors.error("image-not-found", "image not known", { context: { image } });
    }
    for (const each of change.containers) {
      if (each.id === id) throw taken("that ID is already in use", id);
      const name = names.find((wanted) => each.names.includes(wanted));
      if (name === undefined) continue;
      const message = `the container name "${name}" is already in use by ${each.id}. You have to remove that container to be able to reuse that name: that name is already in use`;
      throw taken(message, each.id);
    }
    const layer = await makeLayer(places, change, { ...defined({ parent: found?.layer }), shelf });
    const record: ContainerRecord = {
      id,
      names,
      image: image ?? "",
      layer: layer.id,
      ...defined({ metadata }),
      bigDataNames: [],
      bigDataSizes: new Map(),
      bigDataDigests: new Map(),
      created: timeNow(),
      uidmap: [],
      gidmap: [],
      flags: {
        MountLabel: "",
        ProcessLabel: "",
        ...(volatile ? { Volatile: true } : {}),
      },
      unknown: {},
    };
    try {
      change.saveContainers([...change.containers, record], shelf);
    } catch (error) {
      using removed = new Cleanup();
      await undo(error, async () => void removed.use(await takeLayers(places, change, [layer.id])));
    }
    return record;
  });
}

/** Removes a container, its layer, which is unmounted, and its directories. Throws `containers-storage/container-not-found`. */
export async function deleteContainer(root: StoreRoot, id: string, signal?: AbortSignal): Promise<void> {
  const { places, records } = root;
  using removed = new Cleanup();
  await records.change(ALL, signal, async (change) => {
    const record = change.containers.find((each) => each.id === id);
    if (record === undefined) {
      throw containersStorageErrors.error("container-not-found", "container not known", {
        context: { container: id },
      });
    }
    // The record goes first: a container without a layer is damage, a layer without a container is garbage.
    const layer = change.layers.get(record.layer);
    if (layer !== undefined) await unmountIn(root, change, layer.id, true);
    change.saveContainers(change.containers.filter((each) => each !== record));
    if (layer !== undefined) removed.use(await takeLayers(places, change, [layer.id]));
    for (const base of ["graph", "run"] as const) places.dirOptional("containers", base)?.removeAll(utf8(id));
  });
}

function taken(message: string, id: string): Error {
  return containersStorageErrors.error("container-id-taken", message, { context: { container: id } });
}
