import { randomBytes } from "node:crypto";

import { utf8 } from "@bootc-store/core";

import type { Change } from "./change.ts";
import { containersStorageErrors } from "./errors.ts";
import { defined, type LayerRecord } from "./format/layers-json.ts";
import { timeNow } from "./format/record.ts";
import { removeIncomplete } from "./layers-write.ts";
import { makeLayerDir, removeLayerFiles } from "./overlay/layer-dir.ts";
import type { StorePlaces } from "./places.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import type { Shelf } from "./tables.ts";
import { undo } from "./undo.ts";

/** A new random id: one whose beginning is no number, which could be taken for one. */
export function randomId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (!/^\d{12}/.test(id)) return id;
  }
}

export interface CreateLayerOptions {
  readonly id?: string;
  readonly parent?: string;
  readonly names?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Makes an empty layer, of which no diff is known. */
export async function createLayer(root: StoreRoot, options: CreateLayerOptions): Promise<LayerRecord> {
  const { places, records } = root;
  return await records.change(["layers"], options.signal, async (change) => {
    await removeIncomplete(places, change);
    return await makeLayer(places, change, options);
  });
}

/** {@link createLayer} where the layers are locked already. */
export async function makeLayer(
  places: StorePlaces,
  change: Change,
  options: CreateLayerOptions & { readonly shelf?: Shelf },
): Promise<LayerRecord> {
  const { id = randomId(), parent, names = [], shelf } = options;
  if (change.layers.get(id) !== undefined) throw taken("that ID is already in use", id);
  const usedNames = new Set([...change.layers].flatMap((each) => each.names));
  if (names.some((name) => usedNames.has(name))) throw taken("that name is already in use", id);
  if (parent !== undefined && change.layers.get(parent) === undefined) {
    throw containersStorageErrors.error("layer-not-found", "layer not known", {
      context: { layer: parent },
    });
  }
  const record: LayerRecord = {
    id,
    names,
    ...defined({ parent }),
    created: timeNow(),
    uidset: [],
    gidset: [],
    flags: {},
    uidmap: [],
    gidmap: [],
    bigDataNames: [],
    unknown: {},
  };
  const before = change.layers.all;
  try {
    await change.saveLayers([...before, { ...record, flags: { incomplete: true } }], shelf);
    const content = places.dir("content");
    makeLayerDir(content, places.subdir("content", "l", 0o755), id, parent);
    const diff = utf8(`${id}/diff`);
    content.makeDir(diff);
    const like = parent === undefined ? undefined : content.stat(utf8(`${parent}/diff`));
    if (like !== undefined) content.setOwner(diff, like.uid, like.gid);
    content.setMode(diff, like === undefined ? 0o555 : like.mode & 0o7777);
    await change.saveLayers([...before, record], shelf);
  } catch (error) {
    // Files before the records, which are still marked, so that a full disk has room for the index again.
    await undo(error, async () => {
      removeLayerFiles(places, id);
      await change.saveLayers(before);
    });
  }
  return record;
}

function taken(message: string, id: string): Error {
  return containersStorageErrors.error("layer-id-taken", message, { context: { layer: id } });
}
