// What nobody needs: layers that no image and no container stands on, and what programs that died have left. A layer that
// is young may belong to an image that somebody is just writing, so it is garbage only after a while, as for
// `containers-storage check`.

import type { Garbage, GcPlan, GcResult, Root } from "@bootc-store/backend";
import { throwIfAborted, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { Cleanup } from "./cleanup.ts";
import { topsOf } from "./delete.ts";
import { chainOf } from "./disk-usage.ts";
import type { ContainerRecord } from "./format/containers-json.ts";
import { isIncomplete, type LayerRecord } from "./format/layers-json.ts";
import { takeLayers } from "./layers-write.ts";
import { listStaging, sweepStaging } from "./locks/staging.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import type { ImageTable, LayerTable } from "./tables.ts";

/** Milliseconds after which an unreferenced layer is garbage: 24 hours. */
export const UNREFERENCED_AFTER = 24 * 60 * 60 * 1000;

const HEX = /^[0-9a-f]{64}$/;
/** Names in `overlay/` that are no layers. */
const NOT_LAYERS = new Set(["l", "staging", "tempdirs", "backingFsBlockDev", ".has-mount-program"]);

/** What counts as garbage. */
export interface GarbageOptions {
  /** Milliseconds that a layer must be old, {@link UNREFERENCED_AFTER} unless given. */
  readonly unreferencedAfter?: number;
}

interface State {
  readonly layers: LayerTable;
  readonly images: ImageTable;
  readonly containers: readonly ContainerRecord[];
}

export async function listRoots({ records }: StoreRoot, signal: AbortSignal | undefined): Promise<Root[]> {
  const roots: Root[] = [];
  const backend = "containers-storage";
  for (const { id, names } of await records.images(signal)) {
    for (const name of names) roots.push({ backend, kind: "tag", name, target: id });
    if (names.length === 0) roots.push({ backend, kind: "image", name: id, target: id });
  }
  for (const { id, names, layer } of await records.containers(signal)) {
    roots.push({ backend, kind: "container", name: names[0] ?? id, target: layer });
  }
  return roots;
}

export async function planGc(
  root: StoreRoot,
  keep: readonly Root[],
  signal: AbortSignal | undefined,
  options?: GarbageOptions,
): Promise<GcPlan> {
  const { records } = root;
  const images = await records.images(signal);
  const containers = await records.containers(signal);
  const garbage = await records.withLayers(signal, (layers) =>
    findGarbage(root, { layers, images, containers }, keep, options),
  );
  return {
    kind: "containers-storage",
    roots: [...(await listRoots(root, signal)), ...keep],
    garbage,
    bytes: bytesOf(garbage),
  };
}

export async function applyGc(
  root: StoreRoot,
  plan: GcPlan,
  signal: AbortSignal | undefined,
  options?: GarbageOptions,
): Promise<GcResult> {
  throwIfAborted(signal);
  using late = new Cleanup();
  const { places, records } = root;
  const ownRoots = new Set((await listRoots(root, signal)).map(keyOfRoot));
  const keep = plan.roots.filter((each) => !ownRoots.has(keyOfRoot(each)));
  return await records.change(["layers", "images", "containers"], signal, async (change) => {
    const planned = new Set(plan.garbage.map(keyOf));
    const found = findGarbage(root, change, keep, options).filter((each) => planned.has(keyOf(each)));
    const layers = found.filter(({ kind }) => kind === "layer").map(({ id }) => id);
    if (layers.length > 0) late.use(await takeLayers(places, change, topFirst(change.layers, layers)));
    const staging = new Set(found.filter(({ kind }) => kind === "staging").map(({ id }) => id));
    for (const [prefix, dir] of stagingDirs(root)) {
      using _dir = dir;
      if ([...staging].some((id) => id.startsWith(prefix))) sweepStaging(dir);
    }
    for (const { kind, id } of found) if (kind === "leftover") places.graphRoot.removeAll(utf8(id));
    const gone = new Set(found.map(keyOf));
    return {
      removed: found,
      bytes: bytesOf(found),
      kept: plan.garbage.filter((each) => !gone.has(keyOf(each))),
    };
  });
}

/** In a fixed order. Must be called with the layers locked, so that nobody is just making one. */
export function findGarbage(
  root: StoreRoot,
  state: State,
  keep: readonly Root[],
  { unreferencedAfter = UNREFERENCED_AFTER }: GarbageOptions = {},
): Garbage[] {
  const { layers } = state;
  const before = Date.now() - unreferencedAfter;
  const isOld = ({ created }: LayerRecord): boolean => Date.parse(created) < before;
  const needed = neededLayers(state, keep, isOld);
  const kept = new Set(keep.map(({ kind, target }) => `${kind} ${target}`));
  const garbage: Garbage[] = [];
  for (const record of layers.stable) {
    if (needed.has(record.id) || !(isIncomplete(record) || isOld(record))) continue;
    garbage.push({ kind: "layer", id: record.id, bytes: Math.max(0, record.diffSize ?? 0) });
  }
  garbage.push(...findLeftovers(root, state), ...findStaging(root));
  return garbage.filter((each) => !kept.has(keyOf(each)));
}

/** Every layer that an image, a container or a root to be kept stands on, but for those that are not whole. */
function neededLayers(
  { layers, images, containers }: State,
  keep: readonly Root[],
  isOld: (record: LayerRecord) => boolean,
): Set<string> {
  const tops = [
    ...topsOf(images),
    ...containers.map(({ layer }) => layer),
    ...layers.volatile.map(({ id }) => id),
    // A young one may be the last that its image has so far.
    ...layers.stable.filter((record) => !isIncomplete(record) && !isOld(record)).map(({ id }) => id),
    ...keep.flatMap(({ target }) => [target, images.get(target)?.layer ?? target]),
  ];
  const needed = new Set<string>();
  for (const top of tops) {
    for (const id of chainOf(layers, top)) {
      if (needed.has(id)) break;
      needed.add(id);
    }
  }
  for (const record of layers) if (isIncomplete(record)) needed.delete(record.id);
  return needed;
}

/** Files and directories of layers, images and containers that no record knows. Ids are paths below the graph root. */
function findLeftovers({ places }: StoreRoot, { layers, images, containers }: State): Garbage[] {
  const leftovers: Garbage[] = [];
  const add = (dir: Dir, parent: string, name: string): void => {
    leftovers.push({ kind: "leftover", id: `${parent}/${name}`, bytes: sizeBelow(dir, name) });
  };
  const content = places.dirOptional("content");
  if (content !== undefined && places.driver === "overlay") {
    for (const { name, type } of content.list()) {
      if (NOT_LAYERS.has(name) || layers.get(name) !== undefined || type !== "directory") continue;
      add(content, places.nameOf("content"), name);
    }
  }
  const layersDir = places.dirOptional("layers");
  for (const { name } of layersDir?.list() ?? []) {
    const id = /^([0-9a-f]{64})(?:\.tar-split\.gz)?$/.exec(name)?.[1];
    if (id !== undefined && layers.get(id) === undefined)
      add(layersDir as Dir, places.nameOf("layers"), name);
  }
  const imagesDir = places.dirOptional("images");
  for (const { name } of imagesDir?.list() ?? []) {
    if (HEX.test(name) && images.get(name) === undefined)
      add(imagesDir as Dir, places.nameOf("images"), name);
  }
  const containersDir = places.dirOptional("containers");
  const containerIds = new Set(containers.map(({ id }) => id));
  for (const { name } of containersDir?.list() ?? []) {
    if (HEX.test(name) && !containerIds.has(name))
      add(containersDir as Dir, places.nameOf("containers"), name);
  }
  return leftovers;
}

/** Staging directories whose owner is gone. */
function findStaging(root: StoreRoot): Garbage[] {
  const found: Garbage[] = [];
  for (const [prefix, dir] of stagingDirs(root)) {
    using _dir = dir;
    for (const suffix of listStaging(dir)) {
      if (isHeld(dir, suffix)) continue;
      found.push({ kind: "staging", id: `${prefix}${suffix}`, bytes: sizeBelow(dir, `temp-dir-${suffix}`) });
    }
  }
  return found;
}

function isHeld(dir: Dir, suffix: string): boolean {
  const name = utf8(`lock-${suffix}`);
  if (dir.statOptional(name) === undefined) return false;
  // Shared, so that nothing that is only looked at stands in the way of another who looks.
  using lock = dir.tryLock(name, { kind: "ofd", mode: "shared", access: "read" });
  return lock === undefined;
}

function stagingDirs({ places }: StoreRoot): (readonly [prefix: string, dir: Dir])[] {
  const dirs: (readonly [string, Dir])[] = [];
  for (const [part, name] of [
    ["layers", "tmp"],
    ["content", "tempdirs"],
  ] as const) {
    const dir = places.dirOptional(part)?.openDirOptional(utf8(name));
    if (dir !== undefined) dirs.push([`${places.nameOf(part)}/${name}/`, dir]);
  }
  return dirs;
}

function sizeBelow(parent: Dir, name: string): number {
  const found = parent.statOptional(utf8(name));
  if (found === undefined) return 0;
  if (found.type !== "directory") return found.size;
  using dir = parent.openDir(utf8(name));
  let size = 0;
  for (const entry of dir.walk({ crossMounts: false })) {
    if (entry.type === "regular") size += entry.dir.stat(entry.name).size;
  }
  return size;
}

/** Children before parents. */
function topFirst(layers: LayerTable, ids: readonly string[]): string[] {
  const depth = (id: string): number => chainOf(layers, id).length;
  return [...ids].sort((a, b) => depth(b) - depth(a));
}

function keyOf({ kind, id }: Garbage): string {
  return `${kind} ${id}`;
}

function keyOfRoot({ kind, name, target }: Root): string {
  return `${kind} ${name} ${target}`;
}

function bytesOf(garbage: readonly Garbage[]): number {
  return garbage.reduce((total, { bytes }) => total + bytes, 0);
}
