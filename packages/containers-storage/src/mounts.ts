// Layers mounted in `overlay/ID/merged`, each as often as somebody asked for it, as the run root's mountpoints.json counts.

import { isStoreError, utf8 } from "@bootc-store/core";
import { type Dir, mountOn, type MountSpec, unmount } from "@bootc-store/linux";

import type { Change } from "./change.ts";
import { containersStorageErrors } from "./errors.ts";
import type { MountpointRecord } from "./format/mountpoints-json.ts";
import { readLower } from "./overlay/layer-dir.ts";
import type { StorePlaces } from "./places.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

const MERGED = utf8("merged");

export interface MountLayerOptions {
  /** Path of the graph root, which is in the record that others read. */
  readonly graphRoot: string;
  /** Nothing can be written through the mount, and the layer's own content is the uppermost of the lower ones. */
  readonly readOnly?: boolean;
  readonly signal?: AbortSignal;
}

/** Mounts a layer, or counts once more that it is. Returns the path. Throws `containers-storage/layer-not-found`. */
export async function mountLayer(root: StoreRoot, id: string, options: MountLayerOptions): Promise<string> {
  const { places, records } = root;
  const path = `${options.graphRoot}/${places.nameOf("content")}/${id}/merged`;
  return await records.change(["layers"], options.signal, async (change) => {
    requireLayer(change, id);
    await change.changeMountpoints((mounts) => {
      using layer = places.dir("content").openDir(utf8(id));
      // A record may be from before whatever took the mount away.
      const known = mounts.find((each) => each.id === id);
      const count = known !== undefined && isMounted(layer) ? known.count : 0;
      if (count === 0) mountOverlay(places, layer, id, options);
      const record = { id, path, count: count + 1, unknown: known?.unknown ?? {} };
      const others = mounts.filter((each) => each.id !== id);
      return inOrder(change, [...others, record]);
    });
    return path;
  });
}

/**
 * Takes back what {@link mountLayer} did once, or with `force` however often it was done. Says whether the layer is no longer
 * mounted; one that was not is not either.
 */
export async function unmountLayer(
  root: StoreRoot,
  id: string,
  options: { readonly force?: boolean; readonly signal?: AbortSignal } = {},
): Promise<boolean> {
  return await root.records.change(["layers"], options.signal, async (change) => {
    requireLayer(change, id);
    return await unmountIn(root, change, id, options.force === true);
  });
}

/** {@link unmountLayer} where the layers are locked already. */
export async function unmountIn(
  { places }: StoreRoot,
  change: Change,
  id: string,
  force: boolean,
): Promise<boolean> {
  let gone = true;
  await change.changeMountpoints((mounts) => {
    using layer = places.dir("content").openDir(utf8(id));
    const known = mounts.find((each) => each.id === id);
    if (known !== undefined && known.count > 1 && !force) {
      gone = false;
      return mounts.map((each) => (each === known ? { ...each, count: each.count - 1 } : each));
    }
    if (isMounted(layer)) {
      unmount(layer, MERGED, { detach: true });
      renew(layer);
    }
    return mounts.filter((each) => each !== known);
  });
  return gone;
}

/** A new directory in the old one's place: whoever still works in the old mount does not reach it. */
function renew(layer: Dir): void {
  const fresh = utf8("merged.1");
  layer.removeAll(fresh);
  layer.makeDir(fresh, 0o700);
  layer.rename(fresh, MERGED);
}

function isMounted(layer: Dir): boolean {
  using merged = layer.openDirOptional(MERGED);
  if (merged === undefined) return false;
  const [outside, inside] = [layer.statSelf(), merged.statSelf()];
  if (outside.mountId !== undefined) return outside.mountId !== inside.mountId;
  return outside.dev.major !== inside.dev.major || outside.dev.minor !== inside.dev.minor;
}

/** Lower directories by their short links, since the kernel takes no long texts. */
function mountOverlay(places: StorePlaces, layer: Dir, id: string, options: MountLayerOptions): void {
  const content = places.dir("content");
  const home = `${options.graphRoot}/${places.nameOf("content")}`;
  const lower = readLower(content, id).map((entry) => {
    if (content.statOptional(utf8(entry)) !== undefined) return `${home}/${entry}`;
    throw containersStorageErrors.error(
      "feature-unsupported",
      `layer ${id} stands on ${entry}, which is not in this store: it cannot be mounted from here`,
      { context: { layer: id } },
    );
  });
  if (options.readOnly === true) lower.unshift(`${home}/${id}/diff`);
  // A base has nothing below it, and one directory alone is no overlay.
  const needsMore = options.readOnly === true ? lower.length < 2 : lower.length === 0;
  if (needsMore) lower.push(`${home}/${id}/empty`);
  const upper: MountSpec["options"] =
    options.readOnly === true
      ? []
      : [
          ["upperdir", `${home}/${id}/diff`],
          ["workdir", `${home}/${id}/work`],
        ];
  const spec = (lowers: NonNullable<MountSpec["options"]>): MountSpec => ({
    type: "overlay",
    source: "overlay",
    options: [...lowers, ...upper],
    ...(options.readOnly === true ? { attributes: ["readOnly"] } : {}),
  });
  try {
    mountOn(layer, MERGED, spec(lower.map((path) => ["lowerdir+", path])));
  } catch (error) {
    // Kernels before 6.7 take them all in one text.
    if (!isStoreError(error) || error.context["errnoName"] !== "EINVAL") throw error;
    mountOn(layer, MERGED, spec([["lowerdir", lower.join(":")]]));
  }
}

function requireLayer(change: Change, id: string): void {
  if (change.layers.get(id) !== undefined) return;
  throw containersStorageErrors.error("layer-not-found", "layer not known", { context: { layer: id } });
}

/** In the order of the layers, as the real library writes them. */
function inOrder(change: Change, mounts: readonly MountpointRecord[]): MountpointRecord[] {
  const order = new Map(change.layers.all.map(({ id }, at) => [id, at]));
  return [...mounts].sort((a, b) => (order.get(a.id) ?? Infinity) - (order.get(b.id) ?? Infinity));
}
